"""
When a disk will be full, by a straight line through its history. Pure: rows and `now` come in, levels go out.

The line is Theil and Sen's: the median of the slopes between all pairs of points. A
third of the points may be anything (a log that was rotated, a large file that came and
went) without moving it, where least squares would follow them. A forecast looks at most
`AHEAD` times as far ahead as the history goes back: one hour of history says nothing of
next month.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from ckkit.model import Check, Level

AHEAD = 24
LEAST_POINTS = 10
MOST_POINTS = 240  # all pairs of more would take seconds
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """How soon a full disk is critical, how soon it is worth a warning, and how old the newest result may be."""

    critical: timedelta = timedelta(hours=4)
    warn: timedelta = timedelta(hours=24)
    stale: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is said of one disk. `left` is the time until it is full, None when no end is in sight."""

    node: str
    instance: str
    level: Level
    text: str
    points: int
    left: timedelta | None = None
    bytes_per_hour: float | None = None

    def report(self, check: str = "disk") -> dict[str, Any]:
        """Return it as `kit.monitors.report` takes it; the value is the time left, in seconds."""
        return {
            "node": self.node,
            "check": f"{check}:{self.instance}" if self.instance else check,
            "level": self.level,
            "value": None if self.left is None else self.left.total_seconds(),
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Line:
    """y = `start` + `slope` · x"""

    slope: float
    start: float

    def at(self, x: float) -> float:
        return self.start + self.slope * x


def fit(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """
    Return the Theil-Sen line through points with at least two different x.

    >>> fit([0, 1, 2, 3, 4, 5], [0, 2, 4, 60, 8, 10])
    Line(slope=2.0, start=0.0)
    """
    pairs = range(len(xs))
    slopes = [(ys[j] - ys[i]) / (xs[j] - xs[i]) for i in pairs for j in pairs[i + 1 :] if xs[j] != xs[i]]
    slope = median(slopes)
    return Line(slope, median(y - slope * x for x, y in zip(xs, ys, strict=True)))


def disks(
    checks: Iterable[Check],
    used: Iterable[Mapping[str, Any]],
    free: Iterable[Mapping[str, Any]],
    now: datetime,
    horizon: Horizon,
) -> list[Forecast]:
    """
    Forecast the disk of each of the `checks`, in their order; history of other disks is left out.

    The rows are those of `kit.series`: `bucket` (aware), `node`, `instance`, `value` in bytes. Both are needed: full
    is where nothing is free, whatever is kept back for root.
    """
    left = {key: points[-1][1] for key, points in _by_disk(free).items()}
    found = _by_disk(used)
    keys = [(check.node, check.instance) for check in checks]
    return [disk(*key, found.get(key, ()), left.get(key), now, horizon) for key in keys]


def disk(
    node: str,
    instance: str,
    used: Sequence[tuple[datetime, float]],
    free: float | None,
    now: datetime,
    horizon: Horizon,
) -> Forecast:
    """Forecast one disk from its used bytes in time order and the bytes that are free now."""

    def said(level: Level, text: str, left: timedelta | None = None, slope: float | None = None) -> Forecast:
        return Forecast(
            node=node,
            instance=instance,
            level=level,
            text=text,
            points=len(used),
            left=left,
            bytes_per_hour=slope,
        )

    if not used or free is None or now - used[-1][0] > horizon.stale:
        return said(Level.NODATA, "no result of late: nothing to forecast from")
    if free <= 0:
        return said(Level.CRITICAL, "it is full", timedelta(0))
    span = used[-1][0] - used[0][0]
    if len(used) < LEAST_POINTS or not span:
        return said(Level.OK, f"too little history to say: {_count(len(used))}, at least {LEAST_POINTS} are needed")
    slope, grown = _growth(used)
    if slope <= 0:
        return said(Level.OK, f"not growing, over the last {_hours(span)}", None, slope * 3600)
    seconds = max(0.0, free - grown) / slope
    if seconds > AHEAD * span.total_seconds():
        return said(Level.OK, f"not full within {_hours(AHEAD * span)}, as far as {_hours(span)} of history can tell",
                    None, slope * 3600)  # fmt: skip
    left = timedelta(seconds=seconds)
    level = Level.CRITICAL if left <= horizon.critical else Level.WARN if left <= horizon.warn else Level.OK
    return said(level, f"full in {_hours(left)}: grows by {_bytes(slope * 3600)} an hour", left, slope * 3600)


def _growth(used: Sequence[tuple[datetime, float]]) -> tuple[float, float]:
    """The slope in bytes a second, and how much more the line says is used now than was measured last (never less)."""
    chosen = _thinned(used)
    first = chosen[0][0]
    xs = [(at - first).total_seconds() for at, _ in chosen]
    line = fit(xs, [value for _, value in chosen])
    return line.slope, max(0.0, line.at(xs[-1]) - used[-1][1]) if line.slope > 0 else 0.0


def _thinned(used: Sequence[tuple[datetime, float]]) -> Sequence[tuple[datetime, float]]:
    """At most MOST_POINTS of them, evenly, the newest among them."""
    step = -(-len(used) // MOST_POINTS)
    return used[::-1][::step][::-1]


def _by_disk(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[tuple[datetime, float]]]:
    """The points of each disk that has any, in time order."""
    found: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
    for row in rows:
        if row["value"] is not None:
            found.setdefault((row["node"], row["instance"]), []).append((row["bucket"], row["value"]))
    return {key: sorted(points) for key, points in found.items()}


def _count(points: int) -> str:
    return "1 point" if points == 1 else f"{points} points"


def _hours(span: timedelta) -> str:
    hours = span / HOUR
    if hours < 2:
        return f"{span.total_seconds() / 60:.0f} min"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} d"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"
