"""
What the overview shows of nodes and checks, in arrays: laid out for one inventory, fed with results, read as a whole.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from ckkit.hub.ring import Fold, Grouping, Health, Ints, Ring
from ckkit.model import Check, Level, Node, State

POINTS = 60
FRESH = 3  # intervals of a check after which its value counts as gone
FRESH_AT_LEAST = timedelta(seconds=30)
WORST = (Level.OK, Level.WARN, Level.NODATA, Level.CRITICAL)  # which of two levels a node shows: the later
RANK_OF_STATE = np.array([WORST.index(level) for level in (Level.OK, Level.WARN, Level.CRITICAL)])  # by State.code


@dataclass(frozen=True, slots=True)
class Shown:
    """A column of the page: one metric, and how the checks of a node (mount points, interfaces) become one value."""

    key: str
    label: str
    unit: str
    type: str
    metric: str
    fold: Fold = "max"

    @property
    def source(self) -> str:
        return f"{self.type}.{self.metric}"


SHOWN = (
    Shown("cpu", "CPU", "ratio", "cpu", "busy_ratio"),
    Shown("memory", "Memory", "ratio", "memory", "used_ratio"),
    Shown("disk", "Disk", "ratio", "disk", "used_ratio"),
    Shown("network", "Network in", "bytes/s", "network", "received_bytes_per_second", "sum"),
    Shown("load", "Load", "", "load", "load_1m"),
    Shown("ping", "Ping", "seconds", "ping", "rtt_seconds"),
)


class Column:
    """One metric of the checks of its type."""

    def __init__(self, shown: Shown, checks: Sequence[tuple[int, Check]], place: Mapping[str, int]) -> None:
        self.shown = shown
        own = [(check_id, check) for check_id, check in checks if check.type == shown.type]
        self.ring = Ring([check_id for check_id, _ in own], POINTS)
        self._by_node = Grouping([place[check.node] for _, check in own], len(place))
        self._fresh_ms = _fresh_ms(check for _, check in own)

    def document(self, end: int, now_ms: float, every_ms: int) -> dict[str, Any]:
        """Return the column until the slot `end`; one value and one row of points a node."""
        window = self.ring.window(end)
        last = self._last(window, end, now_ms, every_ms)
        return {
            "key": self.shown.key,
            "label": self.shown.label,
            "unit": self.shown.unit,
            "source": self.shown.source,
            "last": self._by_node.fold(last, self.shown.fold).tolist(),
            "spark": b64encode(self._by_node.fold(window, self.shown.fold).astype("<f4").tobytes()).decode(),
        }

    def _last(self, window: Any, end: int, now_ms: float, every_ms: int) -> Any:
        """The newest value of each check, NaN where it is too old to count."""
        if not len(window):
            return np.zeros(0)
        there = ~np.isnan(window)
        column = POINTS - 1 - np.argmax(there[:, ::-1], axis=1)
        ended = (end - POINTS + 2 + column) * every_ms
        fresh = there.any(axis=1) & (ended > now_ms - self._fresh_ms)
        return np.where(fresh, window[np.arange(len(window)), column], np.nan)


class Board:
    """Arrays for these nodes, in this order, and their checks. Keeps what another board knew of the same checks."""

    def __init__(self, nodes: Sequence[Node], checks: Iterable[Check], before: "Board | None" = None) -> None:
        self.nodes = nodes
        place = {node.name: i for i, node in enumerate(nodes)}
        known = sorted(((c.check_id, c) for c in checks if c.check_id and c.node in place), key=lambda pair: pair[0])
        self.health = Health([check_id for check_id, _ in known])
        self.columns = {shown.key: Column(shown, known, place) for shown in SHOWN}
        self._by_node = Grouping([place[check.node] for _, check in known], len(nodes))
        self._fresh_ms = _fresh_ms(check for _, check in known)
        self._counts = [0] * len(nodes)
        for _, check in known:
            self._counts[place[check.node]] += 1
        if before is not None:
            self.health.take_over(before.health)
            for key, column in self.columns.items():
                column.ring.take_over(before.columns[key].ring)

    def metrics(self, now: datetime, every_ms: int) -> list[dict[str, Any]]:
        """Return the columns, all until the newest slot that any check has."""
        end = max(POINTS, *(column.ring.newest for column in self.columns.values()))
        return [column.document(end, now.timestamp() * 1000, every_ms) for column in self.columns.values()]

    def summary(self, now: datetime, firing: Mapping[str, Level]) -> dict[str, list[Any]]:
        """
        Return the facts of each node. `firing` is the worst level of a node's firing alerts.

        `failing` counts checks that could not measure; a node none of whose checks has a young result has `nodata`.
        """
        health = self.health
        err = (health.state == State.ERR.code) & (health.seen > 0)
        stale = health.seen < now.timestamp() * 1000 - self._fresh_ms
        worst: Ints = self._by_node.fold(np.where(stale, 0, RANK_OF_STATE[health.state]), "max", 0)
        heard = self._by_node.fold((~stale).astype(np.int64), "max", 1)
        worst = np.maximum(worst, np.where(heard == 0, WORST.index(Level.NODATA), 0))
        alerts = [WORST.index(firing.get(node.name, Level.OK)) for node in self.nodes]
        return {
            "name": [node.name for node in self.nodes],
            "provider": [node.provider for node in self.nodes],
            "state": [node.state for node in self.nodes],
            "tags": [node.tags for node in self.nodes],
            "address": [node.address for node in self.nodes],
            "checks": self._counts,
            "failing": self._by_node.fold(err.astype(np.int64), "sum", 0).tolist(),
            "level": [WORST[max(pair)] for pair in zip(alerts, worst.tolist(), strict=True)],
            "seen": [_time(ms) for ms in self._by_node.fold(health.seen, "max", 0).tolist()],
        }


def counted(words: Iterable[str]) -> list[tuple[str, int]]:
    """
    Return the words with how often each is there, the most frequent first.

    >>> counted(["db", "web", "web"])
    [('web', 2), ('db', 1)]
    """
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _fresh_ms(checks: Iterable[Check]) -> Any:
    """How old a check's newest result may be, in ms, to be taken for what is so now."""
    return np.array([max(check.every * FRESH, FRESH_AT_LEAST).total_seconds() * 1000 for check in checks])


def _time(ms: int) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None
