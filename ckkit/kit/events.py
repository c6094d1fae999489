"""
`kit.events`: what happens, as it happens.

`on` reads in a thread of its own, because the wire blocks; the callback runs in the
asyncio loop that was running when it was asked for (a notebook's kernel has one), so
it may touch widgets. Events that come faster than the callback returns are given
to it together: a slow page lags, it does not pile up.
"""

import inspect
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ckkit.errors import CkkitError
from ckkit.kit.asking import Namespace
from ckkit.model import Event

if TYPE_CHECKING:
    import asyncio

    from ckkit.protocols import Wire

log = logging.getLogger("ckkit.kit.events")
Callback = Callable[[list[Event]], Any]


class Events(Namespace):
    """`kit.events.on("transitions", show)`; topics: results nodes checks transitions notifications jobs.* overview."""

    def watch(self, topics: str | Iterable[str], since: int | None = None) -> Iterator[Event]:
        """Yield events of the topics as they happen, those after `since` first; reconnects by itself."""
        return self._kit.wire.watch(_topics(topics), since)

    def on(self, topics: str | Iterable[str], fn: Callback, since: int | None = None) -> "Subscription":
        """
        Call `fn(events)` with the events that came since its last call, until `.stop()`.

        It is called in the running asyncio loop, where there is one; else in the thread that reads. What it raises is
        logged, kept in `.errors`, and does not end the subscription. `fn` may be a coroutine function.
        """
        return Subscription(self._kit.wire, _topics(topics), fn, since)


class Subscription:
    """A callback that is called on events. `errors` holds what it, or the reading, raised; the newest last."""

    def __init__(self, wire: "Wire", topics: tuple[str, ...], fn: Callback, since: int | None = None) -> None:
        self.topics, self.errors = topics, list[Exception]()
        self._fn = fn
        self._waiting: list[Event] = []
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._loop = _running_loop()
        self._busy = False
        # Asked for here, not in the thread: what happens from now on is heard, and a refusal is raised to who asks.
        self._events = wire.watch(topics, since)
        self._thread = threading.Thread(target=self._read, name=f"events {','.join(topics)}", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """False once it was stopped, or the reading ended in an error."""
        return self._thread.is_alive() and not self._stopped.is_set()

    @property
    def connected(self) -> bool:
        """Whether news can come just now: it runs, and the hub is there."""
        return self.running and bool(getattr(self._events, "connected", True))

    def stop(self) -> None:
        """End it: the callback is not called any more. May be called twice, and from the callback."""
        self._stopped.set()
        close = getattr(self._events, "close", None)
        if close is not None:
            try:
                close()
            except ValueError:  # a generator cannot be closed while it waits: it ends, unheard, at its next event
                log.debug("stopped while waiting for an event")

    def _read(self) -> None:
        try:
            for event in self._events:
                if self._stopped.is_set():
                    return
                self._deliver(event)
        except CkkitError as error:
            if not self._stopped.is_set():
                self._failed(error, "reading events failed")

    def _deliver(self, event: Event) -> None:
        """Keep the event, and ask for one call unless one is asked for already."""
        with self._lock:
            self._waiting.append(event)
            if self._busy:
                return
            self._busy = True
        if self._loop is None:
            self._call()
            return
        try:
            self._loop.call_soon_threadsafe(self._call)
        except RuntimeError:  # the loop is closed: the kernel ends
            self._stopped.set()

    def _call(self) -> None:
        with self._lock:
            events, self._waiting, self._busy = self._waiting, [], False
        if self._stopped.is_set() or not events:
            return
        try:
            answer = self._fn(events)
        except Exception as error:  # noqa: BLE001  somebody else's function: it is told, and the next event is another try
            self._failed(error, "the callback of an event failed")
            return
        if inspect.iscoroutine(answer):
            self._run(answer)

    def _run(self, coroutine: Any) -> None:
        if self._loop is None:
            import asyncio

            asyncio.run(self._watched(coroutine))
            return
        self._task = self._loop.create_task(self._watched(coroutine))  # kept, or it might be collected while it runs

    async def _watched(self, coroutine: Any) -> None:
        try:
            await coroutine
        except Exception as error:  # noqa: BLE001  as above
            self._failed(error, "the callback of an event failed")

    def _failed(self, error: Exception, what: str) -> None:
        self.errors = [*self.errors[-9:], error]
        log.error("%s (topics %s)", what, ", ".join(self.topics), exc_info=error)

    def __repr__(self) -> str:
        return f"<subscription to {', '.join(self.topics)}: {'running' if self.running else 'stopped'}>"


def _topics(topics: str | Iterable[str]) -> tuple[str, ...]:
    return (topics,) if isinstance(topics, str) else tuple(topics)


def _running_loop() -> "asyncio.AbstractEventLoop | None":
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
