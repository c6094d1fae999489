"""`kit.nodes`: the machines we watch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ckkit.kit import standing
from ckkit.kit.asking import Namespace, completions, missing, records
from ckkit.kit.lists import AlertList, CheckList, NodeList, ProcessList
from ckkit.kit.newest import newest
from ckkit.kit.times import When
from ckkit.model import Check, Node, Process, Result
from ckkit.views import cards

if TYPE_CHECKING:
    from ckkit.kit.history import History
    from ckkit.kit.kit import Kit
    from ckkit.wire.frame import Frame


class Nodes(Namespace):
    """`kit.nodes["web0"]`, `kit.nodes.list("tag:web -node:web1")`."""

    def list(self, query: str = "*") -> NodeList:
        """Return the nodes of a query, by name. Raises QueryError where the query cannot be read."""
        reply = self._kit.wire.command("nodes.list", {"query": query})
        found = records("nodes.list", reply, tuple[Node, ...])
        counts = {row["name"]: row["checks"] for row in reply if "checks" in row}
        now = standing.of_nodes(self._kit) if found else {}
        return NodeList.of(found, counts, {name: stands.level for name, stands in now.items()})

    def names(self) -> Sequence[str]:
        """Return the name of every node, in order."""
        return [node.name for node in self._ask("nodes.list", tuple[Node, ...], query="*")]

    def __getitem__(self, name: str) -> "NodeView":
        """Return the node of that name. Raises NotFound with the nearest names."""
        known = {node.name: node for node in self._ask("nodes.list", tuple[Node, ...], query="*")}
        if name not in known:
            raise missing("node", name, known)
        return NodeView(self._kit, known[name])

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[Node]:
        return iter(self.list())

    def _ipython_key_completions_(self) -> Sequence[str]:
        return completions(self.names)

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return self.list()._repr_html_()


class NodeView:
    """One node, and what hangs on it. The record is `.record`; what is shown is asked for when it is shown."""

    def __init__(self, kit: "Kit", record: Node) -> None:
        self._kit, self.record = kit, record

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def address(self) -> str:
        return self.record.address

    @property
    def tags(self) -> tuple[str, ...]:
        return self.record.tags

    @property
    def provider(self) -> str:
        return self.record.provider

    @property
    def state(self) -> str:
        return self.record.state

    @property
    def details(self) -> Mapping[str, str]:
        return self.record.details

    @property
    def checks(self) -> CheckList:
        """The checks on this node."""
        return self._kit.checks.list(self._query)

    @property
    def alerts(self) -> AlertList:
        """The alerts of this node, also those that are ok."""
        return self._kit.alerts.of(self.name)

    @property
    def results(self) -> Sequence[tuple[Check, Result]]:
        """The newest result of each check that has one in the last hour, by type and instance."""
        return newest(self._kit, self.name, self.checks)

    def processes(self, sort: str = "cpu", search: str = "", user: str = "", limit: int = 200) -> ProcessList:
        """Return the node's processes, by `cpu` or `memory`; of this machine only."""
        ask: dict[str, Any] = {"sort": sort, "search": search, "user": user, "limit": limit}
        reply = self._kit.wire.command("nodes.processes", {"node": self.name, **ask})
        return ProcessList(records("nodes.processes", reply, tuple[Process, ...]))

    def series(self, metric: str, since: When = "1h", until: When | None = None, **more: Any) -> "Frame":
        """Return a metric of this node, as `kit.series` does."""
        return self._kit.series(metric, self._query, since, until, **more)

    def history(self, since: When = "1h") -> "list[History]":
        """Return what every check of this node measured, and how long it took. See `ckkit.kit.history`."""
        from ckkit.kit.history import history

        return history(self._kit, self.name, since)

    @property
    def _query(self) -> str:
        return f'node:"{self.name}"'

    def __repr__(self) -> str:
        return f"<node {self.name} ({self.state}) at {self.address}: {', '.join(self.tags) or 'no tags'}>"

    def _repr_html_(self) -> str:
        return cards.node(self.record, self.results, self.alerts, self._kit.metrics.units())
