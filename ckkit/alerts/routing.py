"""Who hears what: the addresses of an alert. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ckkit.model import Node
from ckkit.nodequery import Facts, Query


@dataclass(frozen=True, slots=True)
class Route:
    """Alerts of the monitors (a glob) on the nodes (a query) go `to` these addresses."""

    monitor: str
    nodes: Query
    to: tuple[str, ...]


def route(monitor: str, node: Node, facts: Facts, notify: Iterable[str], routes: Iterable[Route]) -> tuple[str, ...]:
    """
    Return the addresses of an alert of `monitor` on `node`, each once: those that the monitor itself names (`notify`),
    then those of every route that matches.
    """
    found = list(notify)
    for way in routes:
        if fnmatchcase(monitor, way.monitor) and way.nodes.matches(node, facts):
            found += way.to
    return tuple(dict.fromkeys(found))
