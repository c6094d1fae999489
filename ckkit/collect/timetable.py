"""
The checks that are watched, in the order in which they are due.

No clock and no threads in here: `now` is an argument (milliseconds since the epoch),
decisions are those of `due`. One thread uses it at a time.
"""

import asyncio
import heapq
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ckkit.collect import due
from ckkit.collect.catalogue import Catalogue
from ckkit.errors import CkkitError, NotFound
from ckkit.model import EPOCH, Check, Node
from ckkit.protocols import CheckType


@dataclass(slots=True, eq=False, kw_only=True)
class Watched:
    """A check, what it needs to run, and where it stands. `problem` says why it cannot be run (then `kind` is None)."""

    check: Check
    node: Node
    every: int
    phase: int
    kind: CheckType | None
    params: Any
    problem: str = ""
    due: int = 0
    since: datetime = EPOCH
    running: "asyncio.Task[Any] | None" = None
    hangs: "asyncio.Task[Any] | Future[Any] | None" = None
    gone: bool = False

    @property
    def hanging(self) -> bool:
        """A run of it was given up and has not ended."""
        return self.hangs is not None and not self.hangs.done()

    @property
    def busy(self) -> bool:
        return self.running is not None or self.hanging


def prepare(check: Check, node: Node | None, catalogue: Catalogue) -> Watched:
    """Find what a check needs. What is missing (its node, its type, right params) is its `problem`."""
    kind, params, problem = None, None, ""
    try:
        if node is None:
            raise NotFound(f"there is no node {check.node!r}")
        params = catalogue.params(check.type, check.params)
        kind = catalogue.get(check.type)
    except CkkitError as error:
        problem = error.message
    every = max(1, round(check.every.total_seconds() * 1000))
    return Watched(
        check=check,
        node=node or Node(name=check.node),
        every=every,
        phase=due.phase(check.key, every),
        kind=kind,
        params=params,
        problem=problem,
    )


class Timetable:
    """`watched` by key of the check; `skipped` slots never ran, `clock_back` turns began anew in an older time."""

    def __init__(self) -> None:
        self.watched: dict[str, Watched] = {}
        self.skipped = 0
        self.clock_back = 0
        self._heap: list[tuple[int, int, Watched]] = []
        self._first: list[Watched] = []
        self._order = 0

    def take(self, now: int) -> list[tuple[Watched, int]]:
        """
        Return what starts now, with the slot it runs for.

        A check of this machine that is new starts at once (its slot is `now`): people wait for it.
        """
        starts = [(watched, now) for watched in self._first if not watched.gone]
        self._first = []
        while self._heap and self._heap[0][0] <= now:
            watched = heapq.heappop(self._heap)[2]
            if watched.gone:
                continue
            slot = self._turn(watched, now)
            self._push(watched)
            if slot is not None:
                starts.append((watched, slot))
        return starts

    def next_due(self) -> int | None:
        """Return when to look again; None where nothing is watched."""
        return self._heap[0][0] if self._heap else None

    def clock_went_back(self, now: int) -> None:
        """Look at every check, since what is due next may be far in the future now."""
        for watched in self.watched.values():
            if watched.due > now:
                self._turn(watched, now)
        self._heap = []
        for watched in self.watched.values():
            self._push(watched)

    def replace(self, wanted: Sequence[Watched], now: int) -> list[Watched]:
        """
        Watch these and no others; returns those that are gone.

        One that is watched already keeps its slots and a run that is under way.
        """
        before, self.watched = self.watched, {}
        for new in wanted:
            known = before.get(new.check.key)
            if known is not None and known.every == new.every:
                del before[new.check.key]
                known.check, known.node, known.kind = new.check, new.node, new.kind
                known.params, known.problem = new.params, new.problem
                self.watched[new.check.key] = known
                continue
            if known is not None:  # its interval is another, so its slots are
                new.since, new.hangs = known.since, known.hangs
            self._add(new, now)
        self._forget(before.values())
        return list(before.values())

    def _add(self, new: Watched, now: int) -> None:
        new.due = due.next_slot(now, new.every, new.phase)
        self.watched[new.check.key] = new
        self._push(new)
        if new.kind is not None and new.kind.local:
            self._first.append(new)

    def _forget(self, left: Iterable[Watched]) -> None:
        for watched in left:
            watched.gone = True
        self._heap = [entry for entry in self._heap if not entry[2].gone]
        heapq.heapify(self._heap)

    def _turn(self, watched: Watched, now: int) -> int | None:
        turn = due.turn(watched.due, now, watched.every, watched.phase)
        self.clock_back += turn.reason is due.Reason.CLOCK_BACK
        self.skipped += turn.skipped
        watched.due = turn.due
        return turn.run

    def _push(self, watched: Watched) -> None:
        self._order += 1
        heapq.heappush(self._heap, (watched.due, self._order, watched))
