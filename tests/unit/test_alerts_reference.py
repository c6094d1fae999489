"""
The state machine, said slowly in Python, and proof that `step.sql` says the same.

The reference takes one alert through one slot. The property runs many alerts at once through random levels, in the
database, and compares every column that matters after every slot.
"""

import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ckkit.store import alert_tables, alert_tick

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(seconds=10)

# What a slot may find: a level (None: keep what was) and its reason.
FOUND = [
    ("ok", "clear"),
    ("ok", "recovered"),
    ("ok", "between"),
    ("warn", "condition"),
    ("critical", "condition"),
    ("critical", "error"),
    ("nodata", "missing"),
    ("ok", "missing"),
    (None, "waiting"),
    (None, "error"),
]


@dataclass(frozen=True)
class State:
    status: str = "ok"
    level: str = "ok"
    band: str | None = None
    since: datetime | None = None
    fired_at: datetime | None = None
    keep_since: datetime | None = None


def reference(state: State, slot: datetime, level: str | None, reason: str, hold: timedelta, keep: timedelta) -> State:
    """Take one alert through one slot."""
    if level is None:
        return state
    firing = state.status == "firing"
    bad = (firing and state.band is not None) if reason == "between" else level != "ok"
    if bad:
        since = state.since if state.status != "ok" else slot
        band = level if reason == "condition" else state.band
        shown = state.band if reason == "between" else level
        status = "firing" if firing or slot - since >= hold else "pending"
        fired_at = (state.fired_at if firing else slot) if status == "firing" else None
        return State(status, shown, band, since, fired_at, None)
    if firing:
        keep_since = state.keep_since or slot
        if slot - keep_since < keep:
            return replace(state, band=None, keep_since=keep_since)
    return State()


@pytest.fixture(scope="module")
def database():
    con = duckdb.connect()
    alert_tables.create(con)
    with contextlib.closing(con):
        yield con


def machine(con, spans):
    """Begin one alert for each pair of (hold, keep), in slots."""
    for table in ("thresholds", "alerts", "transitions"):
        con.execute(f"delete from {table}")
    for number, (hold, keep) in enumerate(spans):
        con.execute(
            "insert into thresholds by name select ? as alert_id, 1 as monitor_id, 1 as version, ? as check_id, "
            "'compare' as kind, 'last' as aggregate, false as recovers, 60000 as lookback_ms, 0 as window_ms, "
            "? as hold_ms, ? as keep_ms, '1970-01-01' as born, 0 as delay_ms, 0 as grace_ms",
            [number, number, hold * 10_000, keep * 10_000],
        )
        con.execute(
            "insert into alerts by name select ? as alert_id, 1 as monitor_id, ? as check_id, 'm' as monitor, "
            "'n' as node, 'c' as \"check\", true as watched, 'ok' as status, 'ok' as level, '1970-01-01' as slot, "
            "'clear' as reason",
            [number, number],
        )


def step(con, slot, found):
    """Run step.sql at a slot over the levels found, by alert."""
    con.execute(
        "create or replace temp table tick_levels (alert_id ubigint, level level, value double, text varchar, "
        "result_at timestamp_ms, reason varchar)"
    )
    con.executemany(
        "insert into tick_levels values (?, ?, 1.5, null, null, ?)",
        [[number, level, reason] for number, (level, reason) in enumerate(found)],
    )
    return alert_tick.step(con, slot)


def states(con):
    rows = con.execute(
        "select status, level, band, since, fired_at, keep_since from alerts order by alert_id"
    ).fetchall()
    return [State(*row[:3], *(at.replace(tzinfo=UTC) if at else None for at in row[3:])) for row in rows]


SPANS = st.tuples(st.integers(0, 4), st.integers(0, 4))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), spans=st.lists(SPANS, min_size=1, max_size=12), slots=st.integers(1, 15))
def test_the_statement_does_what_the_reference_says(database, data, spans, slots):
    machine(database, spans)
    expected = [State()] * len(spans)
    said = 0
    for k in range(slots):
        slot = START + k * EVERY
        found = data.draw(st.lists(st.sampled_from(FOUND), min_size=len(spans), max_size=len(spans)))
        before = expected
        expected = [
            reference(state, slot, level, reason, hold * EVERY, keep * EVERY)
            for state, (level, reason), (hold, keep) in zip(expected, found, spans, strict=True)
        ]
        moved = step(database, slot, found)
        assert states(database) == expected
        changed = [
            b.status != a.status or (a.status == "firing" and a.level != b.level)
            for b, a in zip(before, expected, strict=True)
        ]
        said += sum(changed)
        assert moved == sum(changed)
    assert database.execute("select count(*) from transitions").fetchone() == (said,)


@given(st.lists(st.sampled_from(FOUND), max_size=50), st.integers(1, 6))
def test_the_reference_never_fires_before_it_was_bad_for_hold(found, hold):
    state, bad_since = State(), None
    for k, (level, reason) in enumerate(found):
        slot = START + k * EVERY
        before, state = state, reference(state, slot, level, reason, hold * EVERY, timedelta(0))
        if level not in (None, "ok"):
            bad_since = bad_since if bad_since is not None else slot
        elif level == "ok" and state.status == "ok":
            bad_since = None
        if state.status == "firing" and before.status != "firing":
            assert bad_since is not None
            assert slot - bad_since >= hold * EVERY


def test_a_clock_that_was_set_back_does_not_hold_an_alert_for_ever(database):
    machine(database, [(2, 0)])
    step(database, START + timedelta(hours=1), [("warn", "condition")])
    moved = [step(database, START + k * EVERY, [("warn", "condition")]) for k in range(4)]
    # What is to come does not have to pass first: it is taken for the slot, and fires two slots later.
    assert states(database)[0].status == "firing"
    assert sum(moved) == 1
