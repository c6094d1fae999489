"""
Delivery: what was decided is sent, again and again until it is taken or refused, and recorded.

A thread an address, so that a receiver that hangs holds up nobody else, and nothing that decides. An attempt is
recorded after it was made: a crash between the two repeats a message, and never swallows one. Until its last attempt is
recorded a delivery is in flight, and whoever decides does not decide the same again; after a restart nothing is in
flight, and what was not told is decided anew.
"""

import heapq
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from ckkit.alerts.judges import News
from ckkit.alerts.reasons import Reason
from ckkit.alerts.retries import next_wait
from ckkit.errors import CkkitError, DeliveryFailed
from ckkit.model import Address, Message
from ckkit.protocols import Notifier

Key = tuple[int, str]
"""An alert's id and an address's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One message for one address. `attempt` counts those made before."""

    alert_id: int
    news: News
    reason: Reason
    message: Message
    address: Address
    attempt: int = 0

    @property
    def key(self) -> Key:
        return (self.alert_id, self.address.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """
    What came of an attempt: `outcome` is delivered, retry, refused or withdrawn; `answer` what was said.

    `again` is after how long there will be another one; None where this was the last.
    """

    job: Job
    at: datetime
    outcome: Reason
    answer: str = ""
    took: timedelta = timedelta(0)
    again: timedelta | None = None


class Delivery:
    """
    Sends in the background. `record` is called from its threads; while it raises, it is called again.

    `elapsed` gives seconds that only grow: a clock that is set does not hold up a retry.
    """

    def __init__(
        self,
        notifiers: Mapping[str, Notifier],
        record: Callable[[Attempt], None],
        clock: Callable[[], datetime],
        elapsed: Callable[[], float],
        wait: Callable[[int, CkkitError], timedelta | None] = next_wait,
    ) -> None:
        self.notifiers = notifiers
        self._record, self._clock, self._elapsed, self._wait = record, clock, elapsed, wait
        self._lock = threading.Condition()
        self._queues: dict[str, _Queue] = {}
        self._flying: dict[Key, Job] = {}
        self._withdrawn: set[Key] = set()
        self._stopped = False

    def submit(self, job: Job) -> bool:
        """Take a job, unless one for the same alert and address is in flight. Returns at once."""
        with self._lock:
            if self._stopped or job.key in self._flying:
                return False
            self._flying[job.key] = job
            queue = self._queues.get(job.address.name)
            if queue is None:
                queue = self._queues[job.address.name] = _Queue()
                queue.thread = threading.Thread(
                    target=self._deliver, args=(queue,), name=f"deliver-{job.address.name}", daemon=True
                )
                queue.thread.start()
            queue.push(self._elapsed(), job)
            self._lock.notify_all()
        return True

    def in_flight(self) -> dict[Key, Job]:
        """Return the deliveries that are not settled."""
        with self._lock:
            return dict(self._flying)

    def send(self, message: Message, address: Address) -> str:
        """Send once, now, and return the answer. Raises DeliveryFailed."""
        notifier = self.notifiers.get(address.kind)
        if notifier is None:
            known = ", ".join(sorted(self.notifiers))
            raise DeliveryFailed(
                f"address {address.name}: there is no notifier {address.kind!r}: there are {known}", final=True
            )
        try:
            return notifier.send(message, address)
        except CkkitError:
            raise
        except Exception as error:  # noqa: BLE001  a notifier may raise whatever it likes; its text may hold the URL
            raise DeliveryFailed(f"address {address.name}: the notifier broke: {type(error).__name__}") from None

    def withdraw(self, key: Key) -> None:
        """What is waiting there is true no more: it is not attempted again. An attempt under way goes on."""
        with self._lock:
            if key in self._flying:
                self._withdrawn.add(key)
                self._lock.notify_all()

    def stop(self, patience_s: float = 2.0) -> None:
        """Begin no further attempt, and wait a little for those under way. A restart tells what was not told."""
        with self._lock:
            self._stopped = True
            self._lock.notify_all()
            threads = [queue.thread for queue in self._queues.values() if queue.thread]
        for thread in threads:
            thread.join(patience_s)

    def _deliver(self, queue: "_Queue") -> None:
        while (job := self._next(queue)) is not None:
            attempt = self._attempt(job)
            if not self._recorded(attempt):
                return
            with self._lock:
                if attempt.again is None:
                    self._settle(job.key)
                else:
                    queue.push(self._elapsed() + attempt.again.total_seconds(), attempt.job)

    def _next(self, queue: "_Queue") -> Job | None:
        """Wait for the next job that is due; None when there will be none."""
        with self._lock:
            while not self._stopped:
                now = self._elapsed()
                withdrawn = queue.take(self._withdrawn)
                if withdrawn is not None:
                    return withdrawn
                if queue.jobs and queue.jobs[0].due <= now:
                    return heapq.heappop(queue.jobs).job
                self._lock.wait(queue.jobs[0].due - now if queue.jobs else None)
        return None

    def _attempt(self, job: Job) -> Attempt:
        started = self._clock()
        with self._lock:
            withdrawn = job.key in self._withdrawn
        if withdrawn:
            return Attempt(job=job, at=started, outcome=Reason.WITHDRAWN)
        job = replace(job, attempt=job.attempt + 1)
        try:
            answer = self.send(job.message, job.address)
        except CkkitError as error:
            return self._failed(job, started, error)
        ended = self._clock()
        return Attempt(job=job, at=ended, outcome=Reason.DELIVERED, answer=answer, took=ended - started)

    def _failed(self, job: Job, started: datetime, error: CkkitError) -> Attempt:
        again, ended = self._wait(job.attempt, error), self._clock()
        outcome = Reason.REFUSED if again is None else Reason.RETRY
        return Attempt(job=job, at=ended, outcome=outcome, answer=error.message, took=ended - started, again=again)

    def _recorded(self, attempt: Attempt) -> bool:
        """Record, and try again while that fails (a full disk). False when stopped before it could be."""
        wait = 0.5
        while True:
            try:
                self._record(attempt)
                return True
            except CkkitError:
                with self._lock:
                    if self._stopped:
                        return False
                    self._lock.wait(wait)
                wait = min(wait * 2, 30.0)

    def _settle(self, key: Key) -> None:
        self._flying.pop(key, None)
        self._withdrawn.discard(key)


@dataclass(order=True, slots=True)
class _Due:
    due: float
    number: int
    job: Job = field(compare=False)


class _Queue:
    """The jobs of one address, by when they are due. Guarded by its Delivery's lock."""

    def __init__(self) -> None:
        self.jobs: list[_Due] = []
        self.thread: threading.Thread | None = None
        self._numbers = count()

    def push(self, due: float, job: Job) -> None:
        heapq.heappush(self.jobs, _Due(due, next(self._numbers), job))

    def take(self, keys: set[Key]) -> Job | None:
        """Take out a job that is waiting under one of the keys."""
        found = next((waiting for waiting in self.jobs if waiting.job.key in keys), None) if keys else None
        if found is None:
            return None
        self.jobs.remove(found)
        heapq.heapify(self.jobs)
        return found.job
