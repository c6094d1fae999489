"""
Results on their way to the store: batched, acknowledged, kept while the store cannot take them.

One thread hands batches to the sink, at most `every_s` after their first result. A
batch keeps its sequence until it is acknowledged, so a batch that was committed
although the sink raised counts once. Results that wait beyond `capacity` push the
oldest out, which is counted and said; the batch that is under way is never changed.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from ckkit.collect.bounds import failure
from ckkit.errors import Invalid
from ckkit.model import Result

Sink = Callable[[Sequence[Result], int], object]
"""Takes a batch and its sequence; returns after the commit. Raises Invalid where it can never be taken."""

LONGEST_PAUSE_S = 5.0
NOTICE = "collect.outbox"


class Notices(Protocol):
    """What the operators see on the overview; a key is raised again with a newer text, and cleared."""

    def raise_(self, key: str, level: str, text: str) -> None: ...

    def clear(self, key: str) -> None: ...


class Outbox:
    """`put` from any thread; `start` and `stop` once."""

    def __init__(
        self, sink: Sink, notices: Notices, *, every_s: float = 0.25, batch: int = 5_000, capacity: int = 200_000
    ) -> None:
        self._sink, self._notices, self._every_s, self._batch, self._capacity = sink, notices, every_s, batch, capacity
        self._waiting: deque[Result] = deque()
        self._sending: list[Result] = []
        self._changed = threading.Condition()
        self._taken = 0  # how many were put
        self._settled = 0  # how many of them are acknowledged, dropped or refused: always the first ones
        self._lost = 0  # dropped since the batch under way was taken
        self._closing = False
        self._deadline = float("inf")
        self._sequence = 0
        self._away_since: datetime | None = None
        self._thread = threading.Thread(target=self._work, name="ckkit-outbox", daemon=True)
        self.sent = self.batches = self.dropped = self.refused = self.failures = 0

    def start(self) -> None:
        self._thread.start()

    def put(self, result: Result) -> int:
        """Take a result; returns its place, for `wait`. Never blocks for the store."""
        with self._changed:
            self._waiting.append(result)
            self._taken += 1
            if len(self._waiting) > self._capacity:
                self._waiting.popleft()
                self.dropped += 1
                self._lost += 1
            if len(self._waiting) == 1:
                self._changed.notify_all()
            return self._taken

    def wait(self, place: int, patience_s: float) -> bool:
        """Wait until the result at `place` is settled; says whether it was within the patience."""
        with self._changed:
            return self._changed.wait_for(lambda: self._settled >= place, patience_s)

    @property
    def waiting(self) -> int:
        """How many results are not settled."""
        with self._changed:
            return self._taken - self._settled

    def stop(self, patience_s: float = 5.0) -> int:
        """Send what waits for at most `patience_s`; returns how many results are lost."""
        with self._changed:
            self._closing = True
            self._deadline = time.monotonic() + patience_s
            self._changed.notify_all()
        self._thread.join(patience_s + 1.0)
        return self.waiting

    def _work(self) -> None:
        while self._gather():
            if not self._deliver(self._sending):
                return
            with self._changed:
                self._settled += len(self._sending) + self._lost
                self._sending, self._lost = [], 0
                self._changed.notify_all()

    def _gather(self) -> bool:
        """Wait for results, then a little for more of them; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._changed.wait_for(lambda: self._closing or len(self._waiting) >= self._batch, self._every_s)
            take = min(self._batch, len(self._waiting))
            self._sending = [self._waiting.popleft() for _ in range(take)]
            return bool(self._sending) and time.monotonic() < self._deadline

    def _deliver(self, batch: Sequence[Result]) -> bool:
        """Hand a batch over, however often it takes; False when this outbox had to end before."""
        self._sequence += 1
        pause = self._every_s
        while True:
            try:
                self._sink(batch, self._sequence)
            except Invalid as error:
                return self._divide(batch, error)
            except Exception as error:  # noqa: BLE001  the store is away, whatever the reason: the batch is kept
                self._say_away(error)
            else:
                self._say_back(len(batch))
                return True
            if not self._pause(pause):
                return False
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _divide(self, batch: Sequence[Result], error: Invalid) -> bool:
        """One result that the store refuses must not hold up the others: send the halves."""
        if len(batch) > 1:
            middle = len(batch) // 2
            return self._deliver(batch[:middle]) and self._deliver(batch[middle:])
        self.refused += 1
        self._notices.raise_(
            "collect.refused", "warn", f"the store refused {self.refused} results; the last: {failure(error)}"
        )
        return True

    def _pause(self, seconds: float) -> bool:
        """Wait before the next try. False when there is none: this outbox ends."""
        with self._changed:
            left = min(seconds, self._deadline - time.monotonic())
            if left > 0:
                # Closing shortens the pause once, so that the end tries again at once.
                closing = self._closing
                self._changed.wait_for(lambda: self._closing and not closing, left)
        return time.monotonic() < self._deadline

    def _say_away(self, error: BaseException) -> None:
        self.failures += 1
        self._away_since = self._away_since or datetime.now(UTC)
        lost = f", the oldest {self.dropped} are lost" if self.dropped else ""
        self._notices.raise_(
            NOTICE,
            "critical",
            f"results wait for the store since {self._away_since:%H:%M:%S} UTC: {self.waiting} kept{lost}. "
            f"It says: {failure(error)}",
        )

    def _say_back(self, sent: int) -> None:
        self.sent += sent
        self.batches += 1
        if self._away_since is not None:
            self._away_since = None
            self._notices.clear(NOTICE)
