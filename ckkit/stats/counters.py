"""
What a process counts of itself: sums, gauges and distributions, declared first, so that each has a help and a unit.

    counters = Counters((Stat("reads_total", "counter", "queries of people", ("outcome",)),))
    counters.add("reads_total", outcome="ok")

A distribution (`histogram`) counts its observations into buckets by their upper bounds. A label value that is seen
for the first time begins a series; there is no limit, so labels are words of ours, never text from outside.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Labels = tuple[str, ...]
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Stat:
    """What is counted. A counter's name ends in `_total`; other names end in their unit. `labels` are their names."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels = ()
    bounds: tuple[float, ...] = SECONDS


@dataclass(slots=True)
class Histogram:
    """Observations by bucket (not cumulated; the last has no bound), their number and their sum."""

    buckets: list[int]
    count: int = 0
    sum: float = 0.0


@dataclass(slots=True)
class Series:
    """One stat with its values by label values, in the order in which they were first seen."""

    stat: Stat
    values: dict[Labels, float] = field(default_factory=dict)
    histograms: dict[Labels, Histogram] = field(default_factory=dict)


class Counters:
    """Safe to use from several threads."""

    def __init__(self, stats: Iterable[Stat]) -> None:
        self._series = {stat.name: Series(stat) for stat in stats}
        for series in self._series.values():
            if series.stat.kind == "histogram" and not series.stat.labels:
                series.histograms[()] = _empty(series.stat)
        self._lock = threading.Lock()

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter, or to a gauge."""
        series = self._series[name]
        key = _key(series.stat, labels)
        with self._lock:
            series.values[key] = series.values.get(key, 0.0) + amount

    def set(self, name: str, value: float, **labels: str) -> None:
        """Say what a gauge is now; or a counter, where somebody else counts and it is only told here."""
        series = self._series[name]
        with self._lock:
            series.values[_key(series.stat, labels)] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation to a histogram."""
        series = self._series[name]
        key, bucket = _key(series.stat, labels), bisect_left(series.stat.bounds, value)
        with self._lock:
            found = series.histograms.get(key)
            if found is None:
                found = series.histograms[key] = _empty(series.stat)
            found.buckets[bucket] += 1
            found.count += 1
            found.sum += value

    def value(self, name: str, **labels: str) -> float:
        """Return a counter's or gauge's value; 0 where nothing was counted."""
        series = self._series[name]
        return series.values.get(_key(series.stat, labels), 0.0)

    def snapshot(self) -> list[Series]:
        """Return a copy of all of it, in the order of declaration."""
        with self._lock:
            return [
                Series(
                    series.stat,
                    dict(series.values),
                    {key: Histogram(list(h.buckets), h.count, h.sum) for key, h in series.histograms.items()},
                )
                for series in self._series.values()
            ]


def _empty(stat: Stat) -> Histogram:
    return Histogram([0] * (len(stat.bounds) + 1))


def _key(stat: Stat, labels: dict[str, str]) -> Labels:
    if labels.keys() != set(stat.labels):
        raise KeyError(f"{stat.name} has the labels {', '.join(stat.labels) or 'none'}, not {', '.join(labels)}")
    return tuple(labels[name] for name in stat.labels)
