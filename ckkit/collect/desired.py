"""
Which nodes and checks there should be: those of the providers; this machine's own, and those of ckkit.toml.

Pure but for `instances()`, which looks at this machine. One bad check does not stop
the others: it becomes a problem with its file and line, and the version of it that
ran before stays in force.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from ckkit.collect.bounds import failure
from ckkit.collect.catalogue import Catalogue
from ckkit.config import CheckConfig, Config
from ckkit.durations import duration, show_duration
from ckkit.errors import CkkitError, Invalid, NotFound
from ckkit.model import Check, Node
from ckkit.nodequery import parse
from ckkit.tomlfile import locate, nearest

OURS = ("cpu", "memory", "load", "processes", "disk", "network")
"""The types that this machine is checked with, where nothing else is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong in a file, and where."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(slots=True)
class Desired:
    """`checks` by key, in the order of the file after this machine's own; `lines` says where a key is written."""

    checks: dict[str, Check] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """The file that the checks are written in."""

    path: Path
    text: str = ""

    def problem(self, index: int, line: int, error: CkkitError) -> Problem:
        """At the line of the key that the error names, else at that of the table."""
        key = error.details.get("key")
        at = locate(self.text, ("checks", index, key)) if key else 0
        return Problem(file=str(self.path), line=max(at, line), message=error.message)


def merged(listed: Mapping[str, Iterable[Node]], place: Place) -> tuple[dict[str, Node], list[Problem]]:
    """
    Return the nodes of all providers by name. Of two of one name the first stands: `static`, then by provider.

    `listed` maps a provider to its nodes. The others of a name are left out, each a problem.
    """
    nodes: dict[str, Node] = {}
    problems = []
    for provider in sorted(listed, key=lambda name: (name != "static", name)):
        for node in listed[provider]:
            if node.name not in nodes:
                nodes[node.name] = node
                continue
            said = f"the node {node.name} of the provider {provider} is left out: {nodes[node.name].provider} has one"
            line = locate(place.text, ("providers", provider))
            problems.append(Problem(file=str(place.path), line=line, message=said))
    return nodes, problems


def desired(
    config: Config,
    nodes: Sequence[Node],
    here: str | None,
    catalogue: Catalogue,
    place: Place,
    before: Mapping[str, Check],
) -> Desired:
    """
    Return the checks that should run; `here` is this machine's name, `before` what ran until now.

    A check of one node goes before one that comes from a query, and both before this machine's own of that key.
    """
    found = Desired()
    if here is not None:
        _add_ours(found, config, here, catalogue, place)
    written = list(enumerate(config.checks))
    for index, check in [*(w for w in written if w[1].node), *(w for w in written if not w[1].node)]:
        try:
            for one in _expand(check, config, nodes, here, catalogue, place.path.parent):
                _add(found, one, check)
        except CkkitError as error:
            found.problems.append(place.problem(index, check.line, error))
            _keep(found, check, nodes, before)
    return found


def _add_ours(found: Desired, config: Config, here: str, catalogue: Catalogue, place: Place) -> None:
    every, timeout = _times(CheckConfig(type=""), config)
    for type in OURS:
        try:
            instances = catalogue.get(type).instances()
        except Exception as error:  # noqa: BLE001  a check type's code: whatever it raises, the others go on
            found.problems.append(Problem(file=str(place.path), line=1, message=f"{type}: {failure(error)}"))
            continue
        for instance in instances:
            one = Check(node=here, type=type, instance=instance, every=every, timeout=timeout)
            found.checks[one.key] = one


def _add(found: Desired, one: Check, check: CheckConfig) -> None:
    if one.key in found.lines:
        if check.nodes and check.line != found.lines[one.key]:
            return  # what is written for the node itself, or first, stands
        raise Invalid(f"the check {one.key} is written twice (line {found.lines[one.key]}): give one an `instance`")
    found.checks[one.key] = one
    found.lines[one.key] = check.line


def _keep(found: Desired, check: CheckConfig, nodes: Iterable[Node], before: Mapping[str, Check]) -> None:
    """The version that ran before stays, on the nodes that are still there."""
    names = {node.name for node in nodes}
    for key, old in before.items():
        same = (old.type, old.instance) == (check.type, check.instance) and old.node in names
        if same and key not in found.lines and (not check.node or old.node == check.node):
            found.checks[key] = old
            found.lines[key] = check.line


def _expand(
    check: CheckConfig, config: Config, nodes: Sequence[Node], here: str | None, catalogue: Catalogue, base: Path
) -> list[Check]:
    """Return the checks that one table means. Raises CkkitError, with the `key` that is wrong among its details."""
    every, timeout = _times(check, config)
    chosen = _chosen(check, nodes)
    params, instances = _passive(check) if check.passive else _active(check, chosen, here, catalogue, base)
    return [
        Check(
            node=node.name,
            type=check.type,
            instance=instance,
            every=every,
            timeout=timeout,
            params=params,
            labels=check.labels,
            passive=check.passive,
        )
        for node in chosen
        for instance in instances
    ]


def _passive(check: CheckConfig) -> tuple[dict[str, Any], Sequence[str]]:
    """Others push its results: its type may be any name, and it has nothing to be told."""
    if check.params:
        key = next(iter(check.params))
        raise Invalid(f"a passive check is not run from here, so it takes no {key!r}", key=key)
    return {}, [check.instance]


def _active(
    check: CheckConfig, chosen: Sequence[Node], here: str | None, catalogue: Catalogue, base: Path
) -> tuple[dict[str, Any], Sequence[str]]:
    """Return its params, known to be right for its type, and its instances."""
    try:
        kind = catalogue.get(check.type)
    except NotFound as error:
        raise Invalid(error.message, key="type") from None
    if kind.local and (elsewhere := [n.name for n in chosen if n.name != here]):
        raise Invalid(
            f"{check.type} measures the machine that it runs on, and {elsewhere[0]} is not this one"
            f"{f' ({here})' if here else ''}",
            key="node" if check.node else "nodes",
        )
    params = _rooted(check.params, base)
    catalogue.params(check.type, params)
    return params, kind.instances() if kind.local and not check.instance else [check.instance]


def _chosen(check: CheckConfig, nodes: Sequence[Node]) -> list[Node]:
    if check.node:
        chosen = [node for node in nodes if node.name == check.node]
        if not chosen:
            said = nearest(check.node, [node.name for node in nodes])
            raise Invalid(f"there is no node {check.node!r}{said}", key="node")
        return chosen
    try:
        return parse(check.nodes).select(nodes)
    except Invalid as error:
        raise Invalid(error.message, key="nodes") from None


def _rooted(params: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Paths of secrets are relative to the workspace, wherever the hub was started."""
    return {
        key: str(base / Path(value).expanduser()) if key.endswith("_file") and isinstance(value, str) else value
        for key, value in params.items()
    }


def _times(check: CheckConfig, config: Config) -> tuple[timedelta, timedelta]:
    """Return interval and time-out. A run must have ended before the next one is due."""
    every = duration(check.every or config.collect.every)
    if every < timedelta(seconds=1):
        raise Invalid(f"`every` is {show_duration(every)}: the shortest interval is 1s", key="every")
    if not check.timeout:
        return every, min(duration(config.collect.timeout), 0.8 * every)
    timeout = duration(check.timeout)
    if timeout > every:
        raise Invalid(
            f"`timeout` ({show_duration(timeout)}) is longer than `every` ({show_duration(every)}): a run must have "
            "ended before the next one is due",
            key="timeout",
        )
    return every, timeout
