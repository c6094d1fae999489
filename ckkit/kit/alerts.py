"""`kit.alerts`: what is wrong now, and what changed."""

from collections.abc import Iterator
from typing import Any

from ckkit.kit.asking import Namespace, records
from ckkit.kit.lists import AlertList, AlertView, TransitionList
from ckkit.kit.times import When, aware, moment, naive
from ckkit.model import Status, Transition

CHANGES = """
select slot, monitor, node, "check", check_id, "before"::varchar as "before", "after"::varchar as "after",
       level::varchar as level, reason, value, monitor_version
from transitions
where slot >= $since and slot <= $until{which}
order by slot desc, node, "check", monitor
limit $most
""".strip()
MOST = 1000


class Alerts(Namespace):
    """`kit.alerts.list("firing")`, `kit.alerts.transitions("6h")`."""

    def list(self, status: str | Status | None = None, query: str | None = None) -> AlertList:
        """Return the alerts, of one status (ok, pending, firing) and the nodes of a query where they are given."""
        asked = None if status is None else str(status)
        found = self._ask("alerts.list", tuple[AlertView, ...], status=asked, query=query)
        return AlertList.of(found, self._kit.metrics.units(), f"no alert is {asked}" if asked else "no alerts")

    def of(self, node: str) -> AlertList:
        """Return the alerts of one node, also those that are ok."""
        return self.list(query=f'node:"{node}"')

    def transitions(
        self, since: When = "1d", nodes: str = "*", until: When | None = None, limit: int = MOST
    ) -> TransitionList:
        """Return the changes of alerts on the nodes of a query, the newest first, at most `limit`."""
        now = self._kit.clock()
        params: dict[str, Any] = {"since": naive(moment(since, now)), "until": naive(moment(until or now, now))}
        params["most"] = limit
        which = ""
        if nodes.strip() not in ("", "*", "all"):
            which = " and node in (select unnest($nodes))"
            params["nodes"] = [node.name for node in self._kit.nodes.list(nodes)] or [""]
        rows = self._kit.wire.read(CHANGES.format(which=which), params).to_pylist()
        dated = [{**row, "slot": aware(row["slot"])} for row in rows]
        return TransitionList(records("transitions", dated, tuple[Transition, ...]))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.list())

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return self.list()._repr_html_()
