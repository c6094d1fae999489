"""
The rules of the state machine, a row each, over a real store.

A row is a monitor, what its check gave in slots of ten seconds, and what the alert was after each:

    given      a value of x · x/y · E an error · W a value of 0 with the state warn · N no number · _ no result
    expected   . ok · p pending · w c n firing at warn, critical, nodata

All rows run at once, each with a node and a monitor of its own, as monitors do in life. Eight quiet slots come first.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from ckkit.alerts.plans import plan
from ckkit.model import Check, Level, Metric, Monitor, Node, Result, State, Status
from ckkit.store import Store
from ckkit.store.alerts import Alerts

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVERY = timedelta(seconds=10)
QUIET = 8
HIGH = {"critical": "x > 0.5"}
BOTH = {"warn": "x > 0.8", "critical": "x > 0.9"}
BAND = {**BOTH, "recovery": "x < 0.7"}


def seconds(count):
    return timedelta(seconds=count)


ROWS = [
    # rule, sentence, monitor, given, expected
    ("R2", "no `for`: fires at the first slot", HIGH, "1 1", "c c"),
    ("R2", "fires exactly when it was bad for `for`", {**HIGH, "hold": seconds(20)}, "1 1 1 1", "p p c c"),
    ("R2", "a `for` below the interval: at the second slot", {**HIGH, "hold": seconds(5)}, "1 1 1", "p c c"),
    ("R2", "any bad level counts for `for`", {**BOTH, "hold": seconds(20)}, "0.85 0.85 0.95", "p p c"),
    ("R3", "pending and one good slot: over at once", {**HIGH, "hold": seconds(20)}, "1 1 0 1 1 1", "p p . p p c"),
    (
        "R3",
        "keep_firing_for is nothing to a pending alert",
        {**HIGH, "hold": seconds(20), "keep_firing_for": seconds(60)},
        "1 0 1 1",
        "p . p p",
    ),
    (
        "R4",
        "ends when it was good for keep_firing_for",
        {**HIGH, "keep_firing_for": seconds(30)},
        "1 0 0 0 0",
        "c c c c .",
    ),
    ("R4", "bad again: begins anew", {**HIGH, "keep_firing_for": seconds(30)}, "1 0 0 1 0 0 0 0", "c c c c c c c ."),
    (
        "R5",
        "a result counts for its lookback, the end not included",
        {**HIGH, "missing": "ok"},
        "1 _ _ _ _ _ _",
        "c c c c c c .",
    ),
    ("R12", "missing = nodata: fires as no data", {**HIGH, "missing": "nodata"}, "0 _ _ _ _ _ _ 0", ". . . . . . n ."),
    (
        "R12",
        "missing = nodata: a firing alert says so",
        {**HIGH, "missing": "nodata"},
        "1 _ _ _ _ _ _ 1",
        "c c c c c c n c",
    ),
    (
        "R12",
        "missing = nodata waits for `for`, too",
        {**HIGH, "hold": seconds(10)},
        "0 _ _ _ _ _ _ _",
        ". . . . . . p n",
    ),
    ("R12", "missing = ok ends it", {**HIGH, "missing": "ok"}, "0 1 _ _ _ _ _ _", ". c c c c c c ."),
    ("R12", "missing = keep: a firing one fires on", {**HIGH, "missing": "keep"}, "1 _ _ _ _ _ _ 0", "c c c c c c c ."),
    ("R12", "missing = keep: an ok one stays ok", {**HIGH, "missing": "keep"}, "0 _ _ _ _ _ _", ". . . . . . ."),
    ("R12", "missing = warn", {**HIGH, "missing": "warn"}, "0 _ _ _ _ _ _", ". . . . . . w"),
    ("R12", "missing = critical", {**HIGH, "missing": "critical"}, "0 _ _ _ _ _ _", ". . . . . . c"),
    ("R12", "NaN is no value", {**HIGH, "missing": "nodata"}, "1 N 0", "c n ."),
    ("error", "a failed check is critical", HIGH, "0 E 0", ". c ."),
    ("error", "for a monitor without conditions, too", {}, "0 E 0", ". c ."),
    ("error", "on_error = warn", {**HIGH, "on_error": "warn"}, "0 E 1", ". w c"),
    ("error", "on_error = ok", {**HIGH, "on_error": "ok"}, "1 E", "c ."),
    ("error", "on_error = keep", {**HIGH, "on_error": "keep"}, "0 E 1 E 0", ". . c c ."),
    ("error", "waits for `for`", {**HIGH, "hold": seconds(10)}, "E E 0", "p c ."),
    ("levels", "critical comes before warn", BOTH, "0.85 0.95 0.85 0.5", "w c w ."),
    ("levels", "the bounds of > are not included", BOTH, "0.8 0.9", ". w"),
    ("levels", "below", {"critical": "x < 0.5"}, "0.5 0.4 -inf", ". c c"),
    ("R14", "between the thresholds the level stays", BAND, "0.95 0.75 0.85 0.75 0.65 0.75", "c c w w . ."),
    ("R14", "between: nothing begins", BAND, "0.75 0.75", ". ."),
    ("R14", "between: what an error began ends", BAND, "E 0.75", "c ."),
    ("R14", "between: what the condition began is kept over missing data", BAND, "0.95 N 0.75 0.6", "c n c ."),
    ("R14", "between: a pending one ends", {**BAND, "hold": seconds(20)}, "0.95 0.75 0.95 0.95", "p . p p"),
    (
        "R14",
        "recovered, then between: stays over",
        {**BAND, "keep_firing_for": seconds(20)},
        "0.95 0.6 0.75 0.75",
        "c c c .",
    ),
    ("window", "avg", {**HIGH, "aggregate": "avg", "window": seconds(30)}, "0.9 0.9 0.9 0 0", ". c c c ."),
    ("window", "min", {**HIGH, "aggregate": "min", "window": seconds(20)}, "1 1 0 1", ". c . ."),
    ("window", "max", {**HIGH, "aggregate": "max", "window": seconds(20)}, "1 0 0", "c c ."),
    ("window", "sum", {"critical": "x > 1.5", "aggregate": "sum", "window": seconds(20)}, "1 1 0", ". c ."),
    (
        "window",
        "count, which a failed check does not add to",
        {"critical": "x < 2", "aggregate": "count", "window": seconds(20), "on_error": "ok"},
        "1 _ _ 1",
        ". c n c",
    ),
    (
        "window",
        "an error is an error, whatever the window",
        {**HIGH, "aggregate": "max", "window": seconds(30)},
        "0 E 0",
        ". c .",
    ),
    (
        "window",
        "beyond the lookback it still counts",
        {**HIGH, "aggregate": "max", "window": seconds(90)},
        "1 0 0 0 0 0 0 0 0 0",
        "c c c c c c c c c .",
    ),
    ("free", "two columns", {"critical": "x > 0.5 and y > 0.5"}, "1/0 1/1 0/1", ". c ."),
    (
        "free",
        "warn, critical and recovery",
        {"warn": "x + y > 1", "critical": "x + y > 2", "recovery": "x < 0.5"},
        "1/1 2/1 0.9/0 0/0",
        "w c c .",
    ),
    ("free", "what the check says", {"warn": "state = 'warn'"}, "0 W 0", ". w ."),
    (
        "free",
        "aggregated",
        {"critical": "x > 0.5 or y > 0.5", "aggregate": "avg", "window": seconds(20)},
        "1/0 1/0 0/0 0/0",
        ". c . .",
    ),
    ("free", "missing", {"critical": "x > 0.5 and y > 0.5"}, "0/0 _ _ _ _ _ _", ". . . . . . n"),
    ("free", "an error", {"critical": "x > 0.5 and y > 0.5"}, "1/1 E", "c c"),
    ("free", "a null is no verdict: no data", {"critical": "x > 0.5 and y > 0.5"}, "1/1 N/N", "c n"),
]
SLOTS = max(len(row[3].split()) for row in ROWS)


@dataclass
class Ran:
    """What the alerts were, by monitor, after each slot; and everything that changed."""

    shown: dict[str, list[str]] = field(default_factory=dict)
    repeated: list[bool] = field(default_factory=list)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    now = [START - timedelta(hours=1)]
    store = Store.open(tmp_path_factory.mktemp("rules") / "s.duckdb", clock=lambda: now[0])
    try:
        return _run(store, now)
    finally:
        store.close()


def _run(store, now):
    names = [f"row{number}" for number in range(len(ROWS))]
    store.inventory.sync([Node(name=name) for name in names], [Check(node=name, type="probe") for name in names])
    store.inventory.declare([Metric(type="probe", name="x"), Metric(type="probe", name="y")])
    checks = {check.node: check for check in store.inventory.checks()}
    alerts = Alerts(store, lambda: now[0])
    monitors = [
        Monitor(name=name, nodes=f"node:{name}", check="probe", **row[2]) for name, row in zip(names, ROWS, strict=True)
    ]
    alerts.apply([(plan(monitor, ["x", "y"]), [checks[monitor.name]]) for monitor in monitors], START)
    ran = Ran(shown={name: [] for name in names})
    given = {name: ["0/0"] * QUIET + row[3].split() for name, row in zip(names, ROWS, strict=True)}
    for k in range(QUIET + SLOTS):
        now[0] = START + k * EVERY
        tokens = [(checks[name], given[name][k]) for name in names if k < len(given[name])]
        results = [result for check, token in tokens if (result := _result(check.check_id, now[0], token))]
        store.results(results, source="test", boot="1", sequence=k + 1)
        alerts.tick(now[0], "test", EVERY)
        if k >= QUIET:
            for alert in alerts.listed():
                ran.shown[alert.monitor].append(_shown(alert))
    return ran


def _result(check_id, slot, token):
    if token == "_":
        return None
    if token == "E":
        return Result(check_id=check_id, ts=slot, state=State.ERR, took_seconds=0.1, status="connection refused")
    if token == "W":
        return Result(check_id=check_id, ts=slot, state=State.WARN, took_seconds=0.1, values={"x": 0.0, "y": 0.0})
    x, _, y = token.replace("N", "nan").partition("/")
    values = {"x": float(x), "y": float(y or 0)}
    return Result(check_id=check_id, ts=slot, state=State.OK, took_seconds=0.1, values=values)


def _shown(alert):
    if alert.status is Status.FIRING:
        return {Level.WARN: "w", Level.CRITICAL: "c", Level.NODATA: "n"}[alert.level]
    return "p" if alert.status is Status.PENDING else "."


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[f"{row[0]}: {row[1]}" for row in ROWS])
def test_rule(ran, number):
    _, _, _, given, expected = ROWS[number]
    found = ran.shown[f"row{number}"][: len(given.split())]
    assert " ".join(found) == expected
