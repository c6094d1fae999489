"""
A store file without its hub: SQL as ever, and the questions whose answers lie in the file.

What needs a hub (running a check, a silence, processes, events) says so. The answers are those
of the hub's commands of that name, so that a notebook works on a file as it does live.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from ckkit.errors import CkkitError, Refused
from ckkit.kit.times import aware
from ckkit.model import Event, Receipt
from ckkit.nodequery import Facts, parse

if TYPE_CHECKING:
    import pyarrow as pa

    from ckkit.protocols import Wire

Row = dict[str, Any]

NODES = """
select name, provider, node_id, state, tags, public_addresses, private_addresses, details::varchar as details
from nodes where valid_to is null order by name
"""
CHECKS = """
select c.check_id, n.name as node, c.type, c.instance, c.labels::varchar as labels, c.details::varchar as params,
       c.every_seconds, c.timeout_seconds
from checks c join nodes n on n.node_id = c.node_id and n.valid_to is null
where c.valid_to is null order by n.name, c.type, c.instance
"""
METRICS = "select type, name, kind, unit, exact, help from metrics order by type, position"
MONITORS = "select definition, version, file from monitors where valid_to is null order by name"
ALERTS = """
select monitor, node, "check", check_id, status::varchar as status, level::varchar as level, slot, since, fired_at,
       value, text, result_at, reason
from alerts where watched order by alerts.status desc, alerts.level desc, node, "check", monitor
"""
NOTIFICATIONS = "select * exclude (alert_id) from notifications where ts >= $since order by ts desc"
SILENCES = "select * from silences order by ends desc"
RUNS = """
select run_id, job, notebook, state, started, slot, finished, error, output, parameters::varchar as parameters
from runs order by started desc
"""


class Offline:
    """A wire over one that can only read; `where` names the file in what is refused."""

    def __init__(self, wire: "Wire", where: str, close: Callable[[], None] = lambda: None) -> None:
        self._wire, self._where, self._close = wire, where, close
        self._answers: Mapping[str, Callable[[Row], Any]] = {
            "nodes.list": self._nodes,
            "checks.list": self._checks,
            "metrics.list": self._metrics,
            "monitors.list": self._monitors,
            "alerts.list": self._alerts,
            "notifications.list": self._notifications,
            "silences.list": lambda ask: self._rows(SILENCES),
            "runs.list": self._runs,
        }

    def read(self, sql: str, params: Mapping[str, Any] | None = None, *, patience_s: float | None = None) -> "pa.Table":
        return self._wire.read(sql, params, patience_s=patience_s)

    def command(self, name: str, payload: Any = None) -> Any:
        if name not in self._answers:
            raise self._needs_hub(name)
        return msgspec.to_builtins(self._answers[name](payload or {}))

    def append(self, table: str, data: "pa.Table", *, source: str, boot: str, sequence: int) -> Receipt:
        raise self._needs_hub(f"an append to {table}")

    def watch(self, topics: Iterable[str], since: int | None = None) -> Iterator[Event]:
        raise self._needs_hub("watching events")

    def close(self) -> None:
        self._wire.close()
        self._close()

    def _needs_hub(self, what: str) -> CkkitError:
        return Refused(
            f"{what} needs a running hub, and this kit looks into the file {self._where}: "
            "start one with `./ck up` and use `ckkit.open()`"
        )

    def _rows(self, sql: str, **params: Any) -> list[Row]:
        """The rows of a statement, times aware, keys that are null left out: they have their defaults."""
        found = self._wire.read(sql.strip(), params or None).to_pylist()
        return [
            {k: aware(v) if isinstance(v, datetime) else v for k, v in row.items() if v is not None} for row in found
        ]

    def _nodes(self, ask: Row) -> list[Row]:
        from ckkit.model import Node

        query = parse(ask.get("query") or "*")
        types: dict[str, list[str]] = {}
        for check in self._rows(CHECKS):
            types.setdefault(check["node"], []).append(check["type"])
        rows = [_decoded(row, "details") for row in self._rows(NODES)]
        nodes = [msgspec.convert(row, Node) for row in rows]
        return [
            msgspec.to_builtins(node) | {"checks": len(types.get(node.name, ()))}
            for node in nodes
            if query.matches(node, Facts(types=types.get(node.name, ())))
        ]

    def _checks(self, ask: Row) -> list[Row]:
        wanted = {node["name"] for node in self._nodes(ask)}
        rows = [_decoded(row, "labels", "params") for row in self._rows(CHECKS)]
        return [
            {k: v for k, v in row.items() if not k.endswith("_seconds")}
            | {
                "every": timedelta(seconds=row["every_seconds"]),
                "timeout": timedelta(seconds=row["timeout_seconds"]),
            }
            for row in rows
            if row["node"] in wanted and ask.get("type") in (None, row["type"])
        ]

    def _metrics(self, ask: Row) -> list[Row]:
        return [row for row in self._rows(METRICS) if ask.get("type") in (None, row["type"])]

    def _monitors(self, ask: Row) -> list[Row]:
        rows = self._rows(MONITORS)
        return [msgspec.json.decode(row["definition"]) | {k: row[k] for k in ("version", "file")} for row in rows]

    def _alerts(self, ask: Row) -> list[Row]:
        status, query = ask.get("status"), ask.get("query")
        wanted = None if query is None else {node["name"] for node in self._nodes({"query": query})}
        return [
            row
            for row in self._rows(ALERTS)
            if status in (None, row["status"]) and (wanted is None or row["node"] in wanted)
        ]

    def _notifications(self, ask: Row) -> list[Row]:
        since = msgspec.convert(ask["since"], datetime)
        return self._rows(NOTIFICATIONS, since=since.replace(tzinfo=None))

    def _runs(self, ask: Row) -> list[Row]:
        rows = [_decoded(row, "parameters") for row in self._rows(RUNS)]
        return [row for row in rows if ask.get("job") in (None, row["job"])][: ask.get("limit", 50)]


def _decoded(row: Row, *columns: str) -> Row:
    """A row whose JSON columns, kept as text, are mappings."""
    return row | {name: msgspec.json.decode(row.get(name) or "{}") for name in columns}
