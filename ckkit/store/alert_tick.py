"""
One tick: what a slot does to the alerts, inside one transaction.

`levels.sql` finds the levels, `step.sql` what they change; both speak of temporary tables of the writer's connection:

    tick_values   what aggregates and free conditions came to
    tick_levels   the level of every instance
    tick_steps    the alerts that change
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import msgspec
import pyarrow as pa

from ckkit.errors import NotFound
from ckkit.model import Level
from ckkit.rules import Cause
from ckkit.store.alert_compile import registered
from ckkit.store.alert_rows import Row, dated
from ckkit.store.compose_conditions import Composed
from ckkit.store.statements import statement
from ckkit.store.times import naive

ALL = "all"
"""The group of the slots at which every monitor is judged; a report has a group of its own."""

SHOWN_AT_MOST = 10_000
NEIGHBOURS = 3
"""Evaluation goes on unbroken while no more than this many slots lie between two that were judged."""

TICK_VALUES = pa.schema(
    [
        ("alert_id", pa.uint64()),
        ("value", pa.float64()),
        ("critical", pa.bool_()),
        ("warn", pa.bool_()),
        ("recovered", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A row of `slots`: what was judged, by whom. `up_since`: from when on it was judged without a break."""

    slot: datetime
    by: str
    at: datetime
    up_since: datetime
    run_id: str = ""
    monitors: int = 0
    instances: int = 0
    missed: int = 0
    took_s: float = 0.0
    errors: Mapping[str, str] = field(default_factory=dict)


LAST_SLOT = """
select slot, evaluated_by, evaluated_at, up_since, run_id, monitors, instances, missed, took
from slots where grp = $grp and evaluated_at <= $now order by slot desc limit 1
"""
"""
The newest slot of a group that was judged. One that was judged later than now does not count: the clock was set back,
and what was judged then is judged again.
"""


def last_slot_at(group: str, now: datetime) -> dict[str, Any]:
    """Return the parameters of LAST_SLOT."""
    return {"grp": group, "now": naive(now + timedelta(seconds=1))}


def slot_of(rows: pa.Table) -> Slot | None:
    """Return the slot that LAST_SLOT found."""
    if not rows.num_rows:
        return None
    row = rows.to_pylist()[0]
    return Slot(
        slot=dated(row["slot"]),
        by=row["evaluated_by"],
        at=dated(row["evaluated_at"]),
        up_since=dated(row["up_since"]),
        run_id=row["run_id"],
        monitors=row["monitors"],
        instances=row["instances"],
        missed=row["missed"],
        took_s=row["took"] or 0.0,
    )


def last_slot(cur: Any, group: str, now: datetime) -> Slot | None:
    """Return the newest slot that was judged, as a writer sees it."""
    return slot_of(cur.sql(LAST_SLOT, params=last_slot_at(group, now)).to_arrow_table())


@dataclass(frozen=True, slots=True)
class Reported:
    """What a notebook found on one check of its monitor."""

    check_id: int
    level: Level
    value: float | None = None
    text: str = ""


def follows(slot: datetime, before: Slot | None, every: timedelta) -> tuple[datetime, int]:
    """Return since when evaluation goes on unbroken, and how many slots were missed before this one."""
    if before is None or before.slot >= slot:
        return slot, 0
    missed = (slot - before.slot) // every - 1
    return (before.up_since if missed <= NEIGHBOURS else slot), max(0, missed)


def find_levels(
    cur: Any,
    slot: datetime,
    up_since: datetime,
    composed: Composed,
    found: Sequence[pa.Table],
    failed: Iterable[int],
) -> None:
    """Fill tick_levels: compiled conditions, the free ones as `found`, nothing for the monitors that `failed`."""
    cur.execute(
        "create or replace temp table tick_values "
        "(alert_id ubigint, value double, critical boolean, warn boolean, recovered boolean)"
    )
    for text in composed.windows:
        cur.execute(text, {"slot": naive(slot), "longest_ms": composed.window_ms})
    if found:
        with registered(cur, {"found_values": pa.concat_tables(found)}):
            cur.execute("insert into tick_values select * from found_values")
    cur.execute(
        "create or replace temp table tick_levels as " + statement("levels"),
        {"slot": naive(slot), "up_since": naive(up_since), "longest_ms": composed.lookback_ms},
    )
    for monitor_id in failed:
        cur.execute("delete from tick_levels where alert_id >> 32 = ?", [monitor_id])
    if _count(cur, "tick_levels") > composed.instances:
        # Two results of one check at one time: either is as good.
        cur.execute("create or replace temp table tick_levels as select distinct on (alert_id) * from tick_levels")


def step(cur: Any, slot: datetime, source: str = "step") -> int:
    """Move the alerts by tick_levels: state, transitions. Return how many moved."""
    at = {"slot": naive(slot)}
    text = statement(source)
    cur.execute("create or replace temp table tick_steps as " + text, at if "$slot" in text else None)
    moved = 0
    if _count(cur, "tick_steps"):
        moved = int(cur.execute(statement("alert_transitions"), at).fetchone()[0])
        cur.execute(statement("alert_moves"), at)
    return moved


def refresh(cur: Any) -> None:
    """Write the values of now into alerts that are not ok and stay as they are."""
    cur.execute(statement("alert_refresh"))


def shown(cur: Any) -> list[Row]:
    """Return the rows of alerts that are not ok or moved."""
    return rows(cur.execute(statement("alert_shown"), {"most": SHOWN_AT_MOST}))


def moves(cur: Any, slot: datetime, limit: int = SHOWN_AT_MOST) -> list[Row]:
    """Return the transitions written at a slot for the alerts in tick_steps."""
    cur.execute(
        """
        select * from transitions
        where slot = $slot and alert_id in (select alert_id from tick_steps where moved)
        order by node, "check", monitor limit $most
        """,
        {"slot": naive(slot), "most": limit},
    )
    return rows(cur)


def rows(cur: Any) -> list[Row]:
    """Return what a cursor found as mappings. Python's own values are made faster here than by way of Arrow."""
    names = [column[0] for column in cur.description]
    return [dict(zip(names, row, strict=True)) for row in cur.fetchall()]


def _count(cur: Any, table: str) -> int:
    return int(cur.execute(f"select count(*) from {table}").fetchone()[0])  # noqa: S608  two names of this module


def take_reports(cur: Any, monitor_id: int, slot: datetime, levels: Sequence[Reported]) -> None:
    """Fill tick_levels with what a notebook reports. Raises NotFound for checks that its monitor does not watch."""
    table = pa.table(
        {
            "check_id": pa.array([r.check_id for r in levels], pa.uint32()),
            "level": pa.array([str(r.level) for r in levels], pa.string()),
            "value": pa.array([r.value for r in levels], pa.float64()),
            "text": pa.array([r.text for r in levels], pa.string()),
        }
    )
    with registered(cur, {"new_reports": table}):
        cur.execute(
            """
            create or replace temp table tick_levels as
            select (?::ubigint << 32) | check_id as alert_id, level::level as level, value, text,
                   ?::timestamp_ms as result_at, ? as reason
            from new_reports
            """,
            [monitor_id, naive(slot), str(Cause.REPORT)],
        )
    cur.execute("select alert_id & 4294967295 from tick_levels where alert_id not in (select alert_id from thresholds)")
    if strangers := [row[0] for row in cur.fetchall()]:
        raise NotFound(f"the monitor does not watch the checks {strangers}: see its `nodes`, `check` and `instance`")


def write_slot(cur: Any, group: str, done: Slot) -> None:
    """Write that a slot was judged."""
    errors = msgspec.json.encode(dict(done.errors)).decode() if done.errors else None
    values = [naive(done.slot), done.by, done.run_id, naive(done.at), done.took_s, done.monitors, done.instances]
    cur.execute(
        "insert or replace into slots values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [group, *values, done.missed, naive(done.up_since), errors],
    )


class Timer:
    """Writes the seconds of each step into a mapping."""

    def __init__(self, steps: dict[str, float]) -> None:
        self._steps, self._at = steps, perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self._steps[name], self._at = now - self._at, now
