"""
The bus: events from the store's commits, and those that live in memory only, to whoever watches.

    store.on_commit → Bus.tell ─▶ a bounded queue a subscriber ─▶ HTTP, or a thread of this process

Nobody who is slow holds the writer up: a queue that is full is emptied, and its subscriber reads what was stored from
the store, as one does that comes back after a while. What was not stored (an `overview` notice), or is more than
`MOST`, is lost to it; that is counted, and told by an event `dropped`.
"""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Protocol

import msgspec

from ckkit.errors import Invalid
from ckkit.model import Event

CAPACITY = 1_000
MOST = 10_000  # events that are read again from the store, at most
DROPPED = "dropped"
TOPIC = re.compile(r"\*|[a-z][a-z0-9_]*(\.[a-z0-9_]+)*(\.\*)?")


class Log(Protocol):
    """The stored events."""

    def events(self, since: int, topics: list[str], most: int) -> list[Event]: ...

    def last_seq(self) -> int: ...


class Told:
    """An event, and its bytes, made once for all subscribers."""

    __slots__ = ("_frame", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The event as a server-sent event."""
        if self._frame is None:
            data = b"data: " + msgspec.json.encode(self.event) + b"\n\n"
            self._frame = b"id: %d\n%b" % (self.event.seq, data) if self.event.seq else data
        return self._frame


class Topics:
    """Which topics one wants. `jobs.*` is every topic below `jobs`, `*` every topic."""

    def __init__(self, wanted: Iterable[str]) -> None:
        """Raises Invalid where a name can be no topic."""
        self.names = [name for name in wanted if name]
        for name in self.names:
            if not TOPIC.fullmatch(name):
                raise Invalid(f"{name!r} is no topic: topics are words such as transitions, jobs.finished or jobs.*")
        self._exact = {name for name in self.names if not name.endswith("*")}
        self._below = tuple(name[:-1] for name in self.names if name.endswith("*"))
        self._all = not self.names or "*" in self.names

    def __contains__(self, topic: object) -> bool:
        return self._all or topic in self._exact or (isinstance(topic, str) and topic.startswith(self._below))

    @property
    def exact(self) -> list[str]:
        """The names, where they are all there is; else none, which asks the log for every topic."""
        return [] if self._all or self._below else sorted(self._exact)


class Subscription:
    """
    A bounded queue. `wake` is called, from any thread, when it has something after it had nothing.

    `seq` is the last stored event that was taken; whoever takes gets them in its order, each once.
    """

    def __init__(self, topics: Topics, since: int, wake: Callable[[], None], capacity: int) -> None:
        self.topics, self.seq = topics, since
        self.dropped = 0
        self._wake, self._capacity = wake, capacity
        self._queue: deque[Told] = deque()
        self._behind, self._untold = True, 0
        self._lock = threading.Lock()

    @property
    def behind(self) -> bool:
        """Say whether the next `take` reads the log."""
        return self._behind

    def offer(self, told: Told) -> None:
        with self._lock:
            if len(self._queue) >= self._capacity:
                self._lost(sum(1 for waiting in self._queue if not waiting.event.seq))
                self._queue.clear()
                self._behind = True
            wakes = not self._queue
            self._queue.append(told)
        if wakes:
            self._wake()

    def take(self, log: Log, now: datetime) -> list[Told]:
        """Return what came since the last call; reads the log where the queue was too short, and at the beginning."""
        with self._lock:
            waiting, behind = list(self._queue), self._behind
            self._queue.clear()
            self._behind = False
        found = self._read(log) if behind else []
        found += [told for told in waiting if not told.event.seq or told.event.seq > self.seq]
        if stored := [told.event.seq for told in found if told.event.seq]:
            self.seq = stored[-1]
        with self._lock:
            untold, self._untold = self._untold, 0
        if untold:
            found.insert(0, Told(Event(seq=0, ts=now, topic=DROPPED, payload={"count": untold})))
        return found

    def _read(self, log: Log) -> list[Told]:
        """Return what the log has after `seq`, the newest `MOST` of it; `seq` is the last then."""
        found: deque[Told] = deque()
        while events := log.events(self.seq, self.topics.exact, MOST):
            self.seq = events[-1].seq
            found += [Told(event) for event in events if event.topic in self.topics]
            if len(events) < MOST:
                break
        if len(found) > MOST:
            with self._lock:
                self._lost(len(found) - MOST)
        return list(found)[-MOST:]

    def _lost(self, count: int) -> None:
        self.dropped += count
        self._untold += count


class Following(Iterator[Event]):
    """Events as they happen, in the thread that iterates; `close`, from any thread, ends it."""

    def __init__(self, bus: "Bus", topics: Iterable[str], since: int | None) -> None:
        self._bus, self._news = bus, threading.Event()
        self._closed = False
        self._taken: deque[Told] = deque()
        self._subscription = bus.subscribe(topics, since, self._news.set)
        self._news.set()

    def __next__(self) -> Event:
        while not self._taken:
            self._news.wait()
            self._news.clear()
            if self._closed:
                raise StopIteration
            self._taken += self._bus.take(self._subscription)
        return self._taken.popleft().event

    def close(self) -> None:
        self._closed = True
        self._bus.unsubscribe(self._subscription)
        self._news.set()


class Bus:
    """`tell` and `subscribe` from any thread."""

    def __init__(self, log: Log, clock: Callable[[], datetime], capacity: int = CAPACITY) -> None:
        self.log, self._clock, self._capacity = log, clock, capacity
        self._subscriptions: frozenset[Subscription] = frozenset()
        self._followers: list[Callable[[list[Event]], None]] = []
        self._dropped = 0
        self._lock = threading.Lock()

    def follow(self, follower: Callable[[list[Event]], None]) -> None:
        """Have every event told at once, in the teller's thread: for the hub's own parts, which only take a note."""
        self._followers.append(follower)

    def tell(self, events: list[Event]) -> None:
        """Hand events on, in this order."""
        for follower in self._followers:
            follower(events)
        for event in events:
            told = Told(event)
            for subscription in self._subscriptions:
                if event.topic in subscription.topics:
                    subscription.offer(told)

    def say(self, topic: str, **payload: object) -> None:
        """Tell an event that is not stored."""
        self.tell([Event(seq=0, ts=self._clock(), topic=topic, payload=payload)])

    def subscribe(self, topics: Iterable[str], since: int | None, wake: Callable[[], None]) -> Subscription:
        """
        Begin to collect events of these topics, stored ones after `since` first. `unsubscribe` ends it.

        Without `since`, those after the log's end as it is now; so it is too where the log never reached `since`
        (another store was put in its place).
        """
        wanted, last = Topics(topics), self.log.last_seq()
        subscription = Subscription(wanted, last if since is None else max(0, min(since, last)), wake, self._capacity)
        with self._lock:
            self._subscriptions |= {subscription}
        return subscription

    def take(self, subscription: Subscription) -> list[Told]:
        """Return what came since the last call."""
        return subscription.take(self.log, self._clock())

    def unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions -= {subscription}
                self._dropped += subscription.dropped

    def watch(self, topics: Iterable[str], since: int | None = None) -> Following:
        """Yield events as they happen, to a thread of this process."""
        return Following(self, topics, since)

    @property
    def subscribers(self) -> int:
        return len(self._subscriptions)

    @property
    def dropped(self) -> int:
        """How many events subscribers have lost."""
        return self._dropped + sum(subscription.dropped for subscription in self._subscriptions)
