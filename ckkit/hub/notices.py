"""Notices: what the hub wants people to know until it is over. Shown on the overview; told as events, not stored."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ckkit.model import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that is wrong, by its key. `since` is when it was first raised; the text may have changed since."""

    key: str
    level: Level
    text: str
    since: datetime


class Notices:
    """Safe to use from several threads. `changed` is called, without a lock, with all notices when one is other."""

    def __init__(self, clock: Callable[[], datetime], changed: Callable[[list[Notice]], None] | None = None) -> None:
        self._clock, self._changed = clock, changed
        self._found: dict[str, Notice] = {}
        self._lock = threading.Lock()

    def raise_(self, key: str, level: str, text: str) -> None:
        """Raise a notice, or say it anew; it keeps the time at which it was raised first."""
        with self._lock:
            before = self._found.get(key)
            notice = Notice(key=key, level=Level(level), text=text, since=before.since if before else self._clock())
            if notice == before:
                return
            self._found[key] = notice
        self._tell()

    def clear(self, key: str) -> None:
        """Take a notice back; nothing where there is none."""
        with self._lock:
            if self._found.pop(key, None) is None:
                return
        self._tell()

    def list(self) -> "list[Notice]":
        """Return the notices, the worst first, then the oldest."""
        with self._lock:
            found = [*self._found.values()]
        return sorted(found, key=lambda notice: (-notice.level.code, notice.since))

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed(self.list())
