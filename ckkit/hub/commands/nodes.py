"""Commands about nodes."""

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ckkit.collect.processtable import select
from ckkit.errors import Invalid
from ckkit.hub.registry import Caller, command
from ckkit.model import Process
from ckkit.nodequery import Facts, parse

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


class ListNodes(msgspec.Struct, forbid_unknown_fields=True):
    query: str = "*"


@command("nodes.list")
def list_nodes(hub: "Hub", ask: ListNodes, caller: Caller) -> list[dict[str, Any]]:
    """Return the nodes of a query, by name; each with `address` and the number of its `checks`."""
    query = parse(ask.query)
    types: dict[str, list[str]] = {}
    for check in hub.inventory.checks():
        types.setdefault(check.node, []).append(check.type)
    return [
        msgspec.to_builtins(node) | {"address": node.address, "checks": len(types.get(node.name, ()))}
        for node in hub.inventory.nodes()
        if query.matches(node, Facts(types=types.get(node.name, ())))
    ]


class ListProcesses(msgspec.Struct, forbid_unknown_fields=True):
    node: str
    sort: Literal["cpu", "memory"] = "cpu"
    search: str = ""
    user: str = ""
    limit: int = 200


@command("nodes.processes")
def list_processes(hub: "Hub", ask: ListProcesses, caller: Caller) -> list[Process]:
    """Return the processes of a node that use most processor or memory, first."""
    node = hub.inventory.node(ask.node)
    if node.name != hub.inventory.here:
        raise Invalid(
            f"the processes of {node.name} cannot be seen from here: only those of the machine where the hub runs"
            f"{f' ({hub.inventory.here})' if hub.inventory.here else ''}"
        )
    table = hub.inventory.processes.look()
    return select(table, sort=ask.sort, search=ask.search, user=ask.user, limit=min(max(ask.limit, 1), 10_000))
