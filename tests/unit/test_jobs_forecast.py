"""When a disk will be full: what the line says, and when it says that it cannot say."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.alerts.forecast import Horizon, disk, disks, fit
from ckkit.model import Check, Level

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
GIB = 2**30
HORIZON = Horizon()


def history(hours: float, per_hour: float, *, now_used: float = 80 * GIB, step: timedelta = timedelta(minutes=5)):
    """Used bytes that grew steadily until now."""
    count = int(timedelta(hours=hours) / step) + 1
    times = [NOW - step * n for n in reversed(range(count))]
    return [(at, now_used - per_hour * ((NOW - at) / timedelta(hours=1))) for at in times]


CASES = [
    # (used, free, level, hours left, said)
    (history(6, 1 * GIB), 2 * GIB, Level.CRITICAL, 2, "full in 2 h: grows by 1 GiB an hour"),
    (history(6, 1 * GIB), 20 * GIB, Level.WARN, 20, "full in 20 h"),
    (history(6, 1 * GIB), 100 * GIB, Level.OK, 100, "full in 4 d"),
    (history(6, 0), 20 * GIB, Level.OK, None, "not growing, over the last 6 h"),
    (history(6, -1 * GIB), 20 * GIB, Level.OK, None, "not growing"),
    (history(6, 0.001 * GIB), 20 * GIB, Level.OK, None, "not full within 6 d, as far as 6 h of history can tell"),
    (history(6, 1 * GIB), 0, Level.CRITICAL, 0, "it is full"),
    (
        history(0.5, 10 * GIB, step=timedelta(minutes=10)),
        1 * GIB,
        Level.OK,
        None,
        "too little history to say: 4 points",
    ),
    ([(NOW, 5.0)], 1 * GIB, Level.OK, None, "too little history to say: 1 point,"),
    ([], 1 * GIB, Level.NODATA, None, "no result of late"),
    (history(6, 1 * GIB)[:-4], 1 * GIB, Level.NODATA, None, "no result of late"),  # the newest is 20 min old
    (history(6, 1 * GIB), None, Level.NODATA, None, "no result of late"),
]


@pytest.mark.parametrize(("used", "free", "level", "hours", "said"), CASES)
def test_what_is_said_of_a_disk(used, free, level, hours, said):
    found = disk("web0", "/", used, free, NOW, HORIZON)
    assert found.level is level
    assert said in found.text
    assert found.left == (None if hours is None else pytest.approx(timedelta(hours=hours), abs=timedelta(minutes=1)))


def test_a_file_that_came_and_went_does_not_move_the_line():
    used = [(at, value + (30 * GIB if n % 4 == 0 else 0)) for n, (at, value) in enumerate(history(6, 1 * GIB))]
    used[-1] = (used[-1][0], 80 * GIB)
    found = disk("web0", "/", used, 20 * GIB, NOW, HORIZON)
    assert found.bytes_per_hour == pytest.approx(GIB, rel=0.05)
    assert found.level is Level.WARN


def test_it_is_full_sooner_when_the_newest_value_is_above_the_line():
    used = history(6, 1 * GIB)
    jumped = [*used[:-1], (NOW, 90 * GIB)]  # ten more, at once; and so ten less are free
    assert disk("web0", "/", jumped, 10 * GIB, NOW, HORIZON).left == pytest.approx(
        timedelta(hours=10), abs=timedelta(minutes=5)
    )


def test_disks_of_all_nodes_are_reported_as_levels_of_their_checks():
    def rows(values):
        return [{"bucket": at, "node": n, "instance": i, "value": v} for n, i, at, v in values]

    used = rows([(n, "/", at, v) for n in ("b", "gone") for at, v in history(6, GIB)] + [("a", "/srv", NOW, None)])
    free = rows([("b", "/", NOW, 2 * GIB), ("b", "/", NOW - timedelta(hours=1), 3 * GIB), ("a", "/srv", NOW, GIB)])
    checks = [Check(node=node, type="disk", instance=instance) for node, instance in (("a", "/srv"), ("b", "/"))]
    found = [f.report() for f in disks(checks, used, free, NOW, HORIZON)]
    assert [(f["node"], f["check"], f["level"]) for f in found] == [
        ("a", "disk:/srv", Level.NODATA),
        ("b", "disk:/", Level.CRITICAL),
    ]
    assert found[1]["value"] == pytest.approx(7200, abs=60)


@given(st.integers(10, 100), st.floats(0.01, 100), st.integers(0, 2**32))
def test_a_third_of_the_points_may_be_anything(count, slope, seed):
    rng = random.Random(seed)
    xs = [float(n) for n in range(count)]
    ys = [slope * x for x in xs]
    for n in rng.sample(range(count), count // 4):
        ys[n] += rng.uniform(-1000, 1000)
    assert fit(xs, ys).slope == pytest.approx(slope, rel=0.001, abs=0.001)


def test_a_long_history_is_thinned_and_stays_quick():
    found = disk("web0", "/", history(24 * 7, GIB, step=timedelta(seconds=10)), 20 * GIB, NOW, HORIZON)
    assert found.level is Level.WARN
    assert found.points > 60_000
