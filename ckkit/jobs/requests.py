"""Runs that people ask for: the hub's `jobs.requested`, followed by a thread of its own."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from ckkit.errors import CkkitError
from ckkit.jobs.plan import Request
from ckkit.jobs.recorder import PATIENCE_S
from ckkit.protocols import Wire

log = structlog.get_logger(__name__)


class Requests:
    """
    Calls `asked(request)` for each request, once in the life of this process.

    At first, and whenever the hub was away, it asks which requests have no run yet, and watches from there on:
    one that was made while no runner ran is not lost.
    """

    def __init__(self, connect: Callable[[], Wire], asked: Callable[[Request], None]) -> None:
        self._connect, self._asked = connect, asked
        self._seen: dict[str, None] = {}
        self._wire: Wire | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="requests", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following. A watch that is under way is cut off."""
        self._closing.set()
        if self._wire is not None:
            self._wire.close()
        self._thread.join(timeout=2)

    def _work(self) -> None:
        tries = 0
        while not self._closing.is_set():
            try:
                self._follow()
                tries = 0
            except (CkkitError, OSError) as error:
                if tries == 0 and not self._closing.is_set():
                    log.warning("requests not followed", why=str(error))
                tries += 1
            self._closing.wait(PATIENCE_S[min(tries, len(PATIENCE_S) - 1)])

    def _follow(self) -> None:
        wire = self._wire = self._connect()
        try:
            pending = wire.command("jobs.pending", {})
            for payload in pending["requests"]:
                self._take(payload)
            for event in wire.watch(["jobs.requested"], since=pending["seq"]):
                self._take(event.payload)
                if self._closing.is_set():
                    return
        finally:
            self._wire = None
            wire.close()

    def _take(self, payload: Any) -> None:
        try:
            request = msgspec.convert(payload, Request)
        except msgspec.ValidationError as error:
            log.error("request not understood", why=str(error))
            return
        if request.run_id in self._seen:
            return
        self._seen[request.run_id] = None
        while len(self._seen) > 1000:
            self._seen.pop(next(iter(self._seen)))
        self._asked(request)
