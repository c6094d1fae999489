"""Follows a file that people edit: a look a second, and a call when it is another one."""

import threading
from collections.abc import Callable
from pathlib import Path

EVERY_S = 1.0
Stamp = tuple[int, int, int]


class Edits:
    """`start` and `stop` once. `changed` is called in a thread of its own, and handles its errors."""

    def __init__(self, path: Path, changed: Callable[[], None], every_s: float = EVERY_S) -> None:
        self._path, self._changed, self._every_s = path, changed, every_s
        self._stamp = self._look()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="ckkit-edits", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    def _look(self) -> Stamp | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _follow(self) -> None:
        while not self._stopping.wait(self._every_s):
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._changed()
