"""
The overview: what everybody looks at, computed once a tick however many pages are open.

    store.on_results → waiting → board (numpy arrays) ─┐
    inventory, alerts, notices, evaluator ─────────────┴▶ a document a tick, kept as bytes ─▶ overview.get

A tick is at most one a second, after something changed; an event `overview` tells its number. The document is made
when the first page asks for it. The spark lines are read from the store when the hub starts.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import structlog

from ckkit.errors import CkkitError
from ckkit.hub.board import POINTS, SHOWN, WORST, Board, Shown, counted
from ckkit.model import Check, Event, Level, Node
from ckkit.store import recent
from ckkit.store.tables import TYPE_SHIFT

if TYPE_CHECKING:
    from ckkit.hub.bus import Bus
    from ckkit.hub.notices import Notices
    from ckkit.store import Store

PAUSE_S = 1.0  # between two ticks, at least
SETTLE_S = 0.15  # results of one slot come in a few batches: they shall be one tick
LOOK_BACK = timedelta(days=1)  # for the newest result of each check at the start
WAITING = 200  # batches that wait for the next tick, at most
ALERTS = """
select node, level::varchar as level, status::varchar as status, count(*) as n
from alerts where watched and status <> 'ok' group by all order by all
"""
log = structlog.get_logger("overview")


class Listed(Protocol):
    """What is watched now."""

    def nodes(self) -> list[Node]: ...

    def checks(self) -> list[Check]: ...


class Judged(Protocol):
    """The slot that was judged last."""

    @property
    def slot(self) -> datetime: ...

    @property
    def by(self) -> str: ...


class Overview:
    """`feed` and `note` are called by the store's writer and only take a note; `document` from any thread."""

    def __init__(
        self,
        *,
        store: "Store",
        inventory: Listed,
        bus: "Bus",
        notices: "Notices",
        judged: Callable[[], Judged | None],
        clock: Callable[[], datetime],
        every: timedelta,
    ) -> None:
        self._store, self._inventory, self._bus, self._notices = store, inventory, bus, notices
        self._judged, self._clock = judged, clock
        self._every_ms = _milliseconds(every)
        self._tick = 0
        self._built: tuple[int, bytes] = (-1, b"")
        self._waiting: deque[pa.Table] = deque()
        self._firing: dict[str, Level] = {}
        self._alerts = {"firing": 0, "pending": 0}
        self._stale = {"inventory", "alerts"}
        self._board = Board([], [])
        self._lock, self._news, self._stopping = threading.Lock(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._live, name="ckkit-overview", daemon=True)

    def start(self) -> None:
        """Read the last points from the store, and tick from now on."""
        # First of all it listens, so that nothing is missed that comes while the store is read.
        self._store.on_results(self.feed)
        self._bus.follow(self.note)
        with self._lock:
            self._refresh()
            self._preload()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    def apply(self, every: timedelta) -> None:
        """Have points every so often: those of another interval are read again from the store."""
        with self._lock:
            if _milliseconds(every) != self._every_ms:
                self._every_ms = _milliseconds(every)
                self._board = Board(self._board.nodes, self._inventory.checks())
                self._preload()
        self._news.set()

    @property
    def tick(self) -> int:
        return self._tick

    def feed(self, table: pa.Table) -> None:
        """Take rows of `results`, as the store keeps them."""
        self._waiting.append(table)
        if len(self._waiting) > WAITING:
            with self._lock:
                self._drain()
        self._news.set()

    def note(self, events: list[Event]) -> None:
        """Take note of what else changes the page."""
        topics = {event.topic for event in events}
        if topics & {"nodes", "checks"}:
            self._stale.add("inventory")
        if "transitions" in topics:
            self._stale.add("alerts")
        if topics & {"nodes", "checks", "transitions", "notices"}:
            self._news.set()

    def document(self) -> bytes:
        """Return the document of this tick, as JSON."""
        with self._lock:
            tick, document = self._built
            if tick != self._tick:
                tick = self._tick
                document = msgspec.json.encode(self._document(tick))
                self._built = (tick, document)
            return document

    def _live(self) -> None:
        while not self._stopping.is_set():
            # Also when nothing comes: what is old has to look old.
            if self._news.wait(self._every_ms / 1000):
                self._stopping.wait(SETTLE_S)
            self._news.clear()
            if self._stopping.is_set():
                return
            with self._lock:
                self._drain()
                self._tick += 1
            self._bus.say("overview", tick=self._tick)
            self._stopping.wait(PAUSE_S - SETTLE_S)

    def _document(self, tick: int) -> dict[str, Any]:
        self._refresh()
        self._drain()
        now, board, judged = self._clock(), self._board, self._judged()
        return {
            "tick": tick,
            "as_of": now,
            "every_seconds": self._every_ms / 1000,
            "points": POINTS,
            "nodes": board.summary(now, self._firing),
            "metrics": board.metrics(now, self._every_ms),
            "tags": counted(tag for node in board.nodes for tag in node.tags),
            "providers": counted(node.provider for node in board.nodes),
            "alerts": self._alerts,
            "notices": self._notices.list(),
            "evaluated_by": {"slot": judged.slot if judged else None, "by": judged.by if judged else ""},
        }

    def _refresh(self) -> None:
        """Read again what changed since the last document: the inventory, the alerts."""
        if "inventory" in self._stale:
            self._stale.discard("inventory")
            self._board = Board(self._inventory.nodes(), self._inventory.checks(), self._board)
        if "alerts" in self._stale:
            self._stale.discard("alerts")
            self._alerts, self._firing = {"firing": 0, "pending": 0}, {}
            for row in self._store.query(ALERTS).to_pylist():
                self._alerts[row["status"]] += row["n"]
                if row["status"] == "firing":
                    levels = (Level(row["level"]), self._firing.get(row["node"], Level.OK))
                    self._firing[row["node"]] = max(levels, key=WORST.index)

    # -- results -------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        while self._waiting:
            try:
                self._take(self._waiting.popleft())
            except (
                CkkitError,
                KeyError,
                ValueError,
                pa.ArrowException,
            ):  # a batch that cannot be shown is no page less
                log.exception("results not shown on the overview")

    def _take(self, table: pa.Table) -> None:
        """Take one commit's results; they may be of several types."""
        ids, ts = _ids(table), _ts(table)
        self._board.health.feed(ids, ts, table["state"].to_numpy())
        kinds = ids >> TYPE_SHIFT
        for column in self._board.columns.values():
            own = column.ring.rows.ids
            name = f"v{self._position(column.shown)}"
            if not len(own) or name not in table.column_names:
                continue
            of_kind = np.flatnonzero(kinds == own[0] >> TYPE_SHIFT)
            if len(of_kind):
                values = _numbers(table[name])[of_kind]
                column.ring.feed(ids[of_kind], ts[of_kind] // self._every_ms, values, self._latest())

    def _position(self, shown: Shown) -> int | None:
        return self._store.inventory.position(shown.type, shown.metric)

    def _latest(self) -> int:
        """The newest slot that a result may be of; one later was measured by a clock that is wrong."""
        return int(self._clock().timestamp() * 1000) // self._every_ms + 1

    def _preload(self) -> None:
        now = self._clock()
        newest = recent.newest(self._store.query, now - LOOK_BACK)
        self._board.health.feed(_ids(newest), _ts(newest), newest["state"].to_numpy())
        since = now - timedelta(milliseconds=self._every_ms * POINTS)
        for shown in SHOWN:
            if self._position(shown) is not None:
                found = recent.values(self._store.query, shown.type, shown.metric, since)
                slots = _ts(found) // self._every_ms
                self._board.columns[shown.key].ring.feed(_ids(found), slots, _numbers(found["value"]), self._latest())


def _ids(table: pa.Table) -> Any:
    return table["check_id"].to_numpy().astype(np.int64)


def _ts(table: pa.Table) -> Any:
    """Times in ms since the epoch."""
    return table["ts"].to_numpy().astype("datetime64[ms]").astype(np.int64)


def _numbers(column: pa.ChunkedArray) -> Any:
    """A column's values; NaN where there is none."""
    return column.to_numpy(zero_copy_only=False).astype(np.float64)


def _milliseconds(span: timedelta) -> int:
    return max(1, span // timedelta(milliseconds=1))
