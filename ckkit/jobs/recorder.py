"""
Tells the hub what the runner does: in order, and for as long as it takes.

A run must not wait for the hub, nor be lost because the hub is being restarted. So the
runner writes down what there is to tell, and one thread tells it: when no hub answers
it tries again, later and later, up to every ten seconds. What is told is remembered
in memory only: a run that was under way when the runner died is closed by the next runner.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from ckkit.errors import Cancelled, CkkitError, HubUnreachable, StoreError, TimedOut
from ckkit.model import Run
from ckkit.protocols import Wire

log = structlog.get_logger(__name__)

PATIENCE_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
LIMIT = 10_000
AGAIN = (HubUnreachable, TimedOut, Cancelled, StoreError, OSError)
"""Failures of the moment: the same command may succeed later."""


class Recorder:
    """`tell` returns at once. `connect` gives a wire to the hub, or raises HubUnreachable."""

    def __init__(self, connect: Callable[[], Wire], *, limit: int = LIMIT) -> None:
        self._connect, self._limit = connect, limit
        self._wire: Wire | None = None
        self._letters: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def tell(self, command: str, payload: Mapping[str, Any]) -> None:
        """Have the hub told, after everything that was to be told before. Beyond the limit the oldest is given up."""
        with self._changed:
            if len(self._letters) >= self._limit:
                lost, _ = self._letters.popleft()
                log.error("record lost", command=lost, waiting=len(self._letters))
            self._letters.append((command, payload))
            self._changed.notify_all()

    def started(self, run: Run) -> None:
        """Have the hub told that a run started."""
        fields = ("run_id", "job", "notebook", "started", "slot", "why", "missed", "parameters")
        told = msgspec.to_builtins(run)
        self.tell("runs.start", {name: told[name] for name in fields})

    def ended(self, run: Run) -> None:
        """Have the hub told how a run ended."""
        fields = ("run_id", "state", "error", "output", "kernel", "finished")
        told = msgspec.to_builtins(run)
        self.tell("runs.finish", {name: told[name] for name in fields})

    @property
    def waiting(self) -> int:
        """How many commands the hub has not been told yet."""
        return len(self._letters)

    def flush(self, limit_s: float) -> bool:
        """Wait until the hub was told everything, at most so long; say whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._letters, limit_s)

    def close(self) -> None:
        """Stop telling, whatever is still waiting."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(timeout=5)
        self._forget()

    def _work(self) -> None:
        tries = 0
        while (letter := self._next()) is not None:
            if self._told(*letter):
                tries = 0
                with self._changed:
                    if self._letters and self._letters[0] is letter:
                        self._letters.popleft()
                    self._changed.notify_all()
            else:
                self._closing.wait(PATIENCE_S[min(tries, len(PATIENCE_S) - 1)])
                tries += 1

    def _next(self) -> tuple[str, Mapping[str, Any]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._letters or self._closing.is_set())
            return None if self._closing.is_set() else self._letters[0]

    def _told(self, command: str, payload: Mapping[str, Any]) -> bool:
        try:
            self._wire = self._wire or self._connect()
            self._wire.command(command, payload)
        except AGAIN as error:
            self._forget()
            if not self._away:
                log.warning("hub away", why=str(error), waiting=self.waiting)
            self._away = True
            return False
        except CkkitError as error:  # the hub says no, and will say so again
            log.error("record refused", command=command, why=str(error))
        if self._away:
            log.info("hub back", waiting=self.waiting)
        self._away = False
        return True

    def _forget(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
