"""
A bounded pool of threads for calls that may hang.

A thread cannot be killed. When the caller gives a call up, its thread is left to
itself (`abandon`) and another takes its place, so a hanging disk does not use up
the pool; at most `spare` threads are replaced that way. Threads are daemons: the
process ends without them. (`ThreadPoolExecutor` does neither.)
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Threads:
    """Up to `size` threads that work and `spare` that hang. Safe to use from several threads."""

    def __init__(self, size: int, *, name: str, spare: int = 32) -> None:
        self._size, self._spare, self._name = size, spare, name
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._ready = threading.Condition()
        self._threads = 0
        self._idle = 0
        self._started = 0
        self._hanging: set[Future[Any]] = set()
        self._closed = False

    @property
    def hanging(self) -> int:
        """How many threads are left to calls that were given up and have not ended."""
        return len(self._hanging)

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Have `call` made in a thread, as soon as one is free."""
        future: Future[Any] = Future()
        with self._ready:
            if self._closed:
                raise RuntimeError(f"the threads {self._name} are closed")
            self._waiting.append((future, call))
            if self._idle >= len(self._waiting):
                self._ready.notify()
            else:
                self._grow()
        return future

    def abandon(self, future: Future[Any]) -> bool:
        """Give a call up. Says whether a thread hangs with it; a call that was still waiting is never made."""
        if future.cancel() or future.done():
            return False
        with self._ready:
            if future.done():
                return False
            self._hanging.add(future)
            self._grow()
        return True

    def close(self) -> None:
        """Let the threads end after what they do; calls that wait are cancelled. Does not wait."""
        with self._ready:
            self._closed = True
            while self._waiting:
                self._waiting.popleft()[0].cancel()
            self._ready.notify_all()

    def _grow(self) -> None:
        if self._threads - min(len(self._hanging), self._spare) < self._size and self._waiting:
            self._threads += 1
            self._started += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            future, call = job
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # noqa: BLE001  a thread's border: SystemExit of a plugin is its failure
                    future.set_exception(error)
                else:
                    future.set_result(result)
            with self._ready:
                self._hanging.discard(future)
            del job, future, call  # an idle thread holds nobody's result

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._ready:
            while not self._waiting:
                # Back from hanging, this one may be one too many: another took its place.
                if self._closed or self._threads - min(len(self._hanging), self._spare) > self._size:
                    self._threads -= 1
                    return None
                self._idle += 1
                self._ready.wait()
                self._idle -= 1
            return self._waiting.popleft()
