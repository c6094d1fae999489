"""`Paced`: something costly, done when it is asked for, but not more often than so."""

import asyncio
import logging
import time
from collections.abc import Callable

from ckkit.errors import CkkitError

log = logging.getLogger("ckkit.views.pace")


class Paced:
    """
    Calling it calls `do`, now if the last time is `every_s` ago, else once when it is: no news is lost, none hurries.

    It waits in the running asyncio loop; without one it does nothing until it is asked again.
    """

    def __init__(self, do: Callable[[], None], every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._do, self._every_s, self._clock = do, every_s, clock
        self._next = float("-inf")
        self._waiting: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        if self._waiting is not None:
            return
        wait = self._next - self._clock()
        if wait <= 0:
            self._run()
            return
        try:
            self._waiting = asyncio.get_running_loop().call_later(wait, self._late)
        except RuntimeError:
            self._waiting = None

    def stop(self) -> None:
        """Do not do any more what was asked for; it may be asked for again."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _late(self) -> None:
        """Nobody called who could be told what went wrong."""
        try:
            self._run()
        except CkkitError as error:
            log.warning("an update came to nothing: %s", error.message)

    def _run(self) -> None:
        self._waiting = None
        self._next = self._clock() + self._every_s
        self._do()
