"""Counting, and the text that Prometheus reads."""

import threading

import pytest

from ckkit.hub.measures import MEASURES
from ckkit.stats import Counters, Stat, text

STATS = (
    Stat("reads_total", "counter", "queries", ("outcome",)),
    Stat("running", "gauge", "now"),
    Stat("read_seconds", "histogram", "time", bounds=(0.1, 1.0)),
)


def test_counters_are_told_with_their_labels() -> None:
    counters = Counters(STATS)
    counters.add("reads_total", outcome="ok")
    counters.add("reads_total", 2, outcome="ok")
    counters.add("reads_total", outcome='say "no"\n')
    counters.set("running", 2.5)
    for seconds in (0.05, 0.1, 0.5, 7.0):
        counters.observe("read_seconds", seconds)
    assert text(counters.snapshot(), "x_").splitlines() == [
        "# HELP x_reads_total queries",
        "# TYPE x_reads_total counter",
        'x_reads_total{outcome="ok"} 3',
        'x_reads_total{outcome="say \\"no\\"\\n"} 1',
        "# HELP x_running now",
        "# TYPE x_running gauge",
        "x_running 2.5",
        "# HELP x_read_seconds time",
        "# TYPE x_read_seconds histogram",
        'x_read_seconds_bucket{le="0.1"} 2',
        'x_read_seconds_bucket{le="1"} 3',
        'x_read_seconds_bucket{le="+Inf"} 4',
        "x_read_seconds_sum 7.65",
        "x_read_seconds_count 4",
    ]


def test_a_counter_that_counted_nothing_is_zero() -> None:
    counters = Counters(STATS)
    assert "ckkit_running 0" in text(counters.snapshot())
    assert "ckkit_read_seconds_count 0" in text(counters.snapshot())
    assert counters.value("running") == 0
    assert counters.value("reads_total", outcome="ok") == 0


def test_wrong_labels_are_a_bug_that_shows() -> None:
    counters = Counters(STATS)
    with pytest.raises(KeyError, match="reads_total has the labels outcome, not why"):
        counters.add("reads_total", why="x")
    with pytest.raises(KeyError, match="nothing"):
        counters.add("nothing")


def test_threads_lose_no_count() -> None:
    counters = Counters(STATS)

    def count() -> None:
        for _ in range(2000):
            counters.add("running")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.value("running") == 8000


def test_a_snapshot_does_not_change() -> None:
    counters = Counters(STATS)
    counters.observe("read_seconds", 0.1)
    before = text(counters.snapshot())
    taken = counters.snapshot()
    counters.observe("read_seconds", 0.1)
    assert text(taken) == before


def test_names_say_what_they_are() -> None:
    names = [stat.name for stat in MEASURES]
    assert len(set(names)) == len(names)
    for stat in MEASURES:
        assert stat.name.endswith("_total") == (stat.kind == "counter"), stat.name
        assert stat.help
