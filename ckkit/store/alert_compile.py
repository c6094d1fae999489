"""
Monitors become rows: their versions, the thresholds that judge them, the alerts of what they watch.

Everything here runs in one transaction of the store's writer: whoever reads sees the monitors before or after.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from ckkit.model import Monitor
from ckkit.rules import Compiled, Plan, Watches, lookback, milliseconds
from ckkit.store.statements import statement
from ckkit.store.times import naive


def definition(monitor: Monitor) -> str:
    """Return a monitor as text that two equal ones share, wherever they are written."""
    return msgspec.json.encode(replace(monitor, version=1, file="")).decode()


def monitor_of(row: Mapping[str, Any]) -> Monitor:
    """Return the monitor of a row of `monitors`."""
    read = msgspec.json.decode(row["definition"], type=Monitor)
    return replace(read, version=row["version"], file=row["file"])


def keep_versions(cur: Any, plans: Iterable[Plan], now: datetime) -> list[Compiled]:
    """Write a version for each monitor that is new or changed, close those that are gone; return all in force."""
    cur.execute("select name, monitor_id, version, file, definition, valid_to is null from monitors order by version")
    known = {row[0]: row[1:] for row in cur.fetchall()}
    following = max((row[0] for row in known.values()), default=0) + 1
    compiled: list[Compiled] = []
    for plan in plans:
        monitor, text = plan.monitor, definition(plan.monitor)
        number, version, file, before, is_open = known.pop(monitor.name, (following, 0, "", "", False))
        if number == following:
            following += 1
        if not (is_open and before == text and file == monitor.file):
            version += 1
            _close(cur, number, now)
            cur.execute(
                "insert into monitors values (?, ?, ?, ?, ?, ?, null)",
                [number, monitor.name, version, monitor.file, text, naive(now)],
            )
        compiled.append(Compiled(number, version, replace(plan, monitor=replace(monitor, version=version))))
    for number, *_, is_open in known.values():
        if is_open:
            _close(cur, number, now)
    return compiled


def _close(cur: Any, monitor_id: int, now: datetime) -> None:
    cur.execute("update monitors set valid_to = ? where monitor_id = ? and valid_to is null", [naive(now), monitor_id])


def compile_thresholds(cur: Any, compiled: Sequence[Compiled], watches: Watches, slot: datetime) -> None:
    """Replace the thresholds by those of the monitors in force, and begin the alerts that are new."""
    numbers = {c.plan.monitor.name: c.monitor_id for c in compiled}
    pairs = [(numbers[plan.monitor.name], check) for plan, checks in watches for check in checks]
    names = {check.check_id: check for _, check in pairs}
    tables = {
        "new_plans": pa.Table.from_pylist([_row(c) for c in compiled], schema=_PLANS),
        "new_watches": pa.table(
            [
                pa.array([number for number, _ in pairs], pa.uint32()),
                pa.array([check.check_id for _, check in pairs], pa.uint32()),
                pa.array([milliseconds(lookback(check)) for _, check in pairs], pa.int64()),
            ],
            names=["monitor_id", "check_id", "lookback_ms"],
        ),
        "new_names": pa.table(
            [
                pa.array(list(names), pa.uint32()),
                pa.array([check.node for check in names.values()], pa.string()),
                pa.array([check.name for check in names.values()], pa.string()),
            ],
            names=["check_id", "node", "check"],
        ),
    }
    with registered(cur, tables):
        cur.execute("delete from thresholds")
        cur.execute(statement("thresholds_compiled"))
        cur.execute(statement("alerts_begun"), {"slot": naive(slot)})
    cur.execute("update alerts set watched = true where not watched and alert_id in (select alert_id from thresholds)")


class registered:
    """Arrow tables, by name, for the statements of a block."""

    def __init__(self, cur: Any, tables: Mapping[str, pa.Table]) -> None:
        self._cur, self._tables = cur, tables

    def __enter__(self) -> None:
        for name, table in self._tables.items():
            self._cur.register(name, table)

    def __exit__(self, *error: object) -> None:
        for name in self._tables:
            self._cur.unregister(name)


_DOUBLES = ("warn_low", "warn_high", "critical_low", "critical_high", "recovery_low", "recovery_high")
_SPANS = ("window_ms", "hold_ms", "keep_ms", "delay_ms")
_TEXTS = ("kind", "type", "column", "aggregate", "missing", "on_error")
_PLANS = pa.schema(
    [("monitor_id", pa.uint32()), ("version", pa.uint32()), ("recovers", pa.bool_())]
    + [(name, pa.float64()) for name in _DOUBLES]
    + [(name, pa.int64()) for name in _SPANS]
    + [(name, pa.string()) for name in _TEXTS]
)


def _row(compiled: Compiled) -> dict[str, Any]:
    """The columns of new_plans. A policy to keep what was is null."""
    plan, monitor = compiled.plan, compiled.plan.monitor
    bounds = [*plan.bounds(plan.warn), *plan.bounds(plan.critical), *plan.bounds(plan.recovery)]
    return dict(zip(_DOUBLES, bounds, strict=True)) | {
        "monitor_id": compiled.monitor_id,
        "version": compiled.version,
        "recovers": plan.recovery is not None,
        "window_ms": milliseconds(monitor.window),
        "hold_ms": milliseconds(monitor.hold),
        "keep_ms": milliseconds(monitor.keep_firing_for),
        "delay_ms": milliseconds(monitor.new_instance_delay),
        "kind": plan.kind,
        "type": monitor.check,
        "column": plan.column,
        "aggregate": monitor.aggregate,
        "missing": None if monitor.missing == "keep" else monitor.missing,
        "on_error": None if monitor.on_error == "keep" else monitor.on_error,
    }
