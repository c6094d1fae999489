"""The processes of this machine, as people look at them: sorted, searched, with what they used since the last look."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import psutil

from ckkit.model import Process

SAMPLE_S = 0.2
"""How long the first look takes: a ratio needs two moments."""
SHARED_S = 0.5
"""How long a look is good for everybody: over a few milliseconds every ratio is chance, and ten pages cost one look."""
COMMAND_CHARACTERS = 300

Sort = Literal["cpu", "memory"]


class ProcessTable:
    """Remembers the processor time of each process between looks. Safe to use from several threads."""

    def __init__(self) -> None:
        self._before: dict[tuple[int, float], float] = {}
        self._at = float("-inf")
        self._table: list[Process] = []
        self._lock = threading.Lock()
        self._total = psutil.virtual_memory().total

    def look(self) -> list[Process]:
        """
        Return every process that can be seen, by pid.

        `cpu_ratio` is of one processor, since the last look of anybody (at the first, over a fifth of a second); a
        process that began since counts from its beginning. Looks within half a second are one.
        """
        with self._lock:
            if time.monotonic() - self._at < SHARED_S:
                return self._table
            if self._at == float("-inf"):
                self._remember(_seen())
                time.sleep(SAMPLE_S)
            seen = _seen()
            seconds = max(time.monotonic() - self._at, SAMPLE_S)
            self._table = [self._row(one, seconds) for one in seen]
            self._remember(seen)
            return self._table

    def _remember(self, seen: "Iterable[_Seen]") -> None:
        self._before = {one.key: one.cpu_seconds for one in seen}
        self._at = time.monotonic()

    def _row(self, one: "_Seen", seconds: float) -> Process:
        used = max(0.0, one.cpu_seconds - self._before.get(one.key, 0.0))
        if one.key not in self._before:
            seconds = min(seconds, max(time.time() - one.key[1], SAMPLE_S))
        return Process(
            pid=one.key[0],
            name=one.name,
            user=one.user,
            cpu_ratio=used / seconds,
            memory_ratio=one.memory / self._total,
            memory_bytes=one.memory,
            started=datetime.fromtimestamp(one.key[1], UTC),
            command=one.command,
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A process at one look: `key` is its pid and when it began, since pids are used again."""

    key: tuple[int, float]
    name: str
    user: str
    cpu_seconds: float
    memory: int
    command: str


def _seen() -> list[_Seen]:
    found = []
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                found.append(_one(process))
        except psutil.Error:
            continue  # it ended while we looked
    return found


def _one(process: psutil.Process) -> _Seen:
    times = process.cpu_times()
    try:
        words = process.cmdline()
    except psutil.AccessDenied:
        words = []
    return _Seen(
        key=(process.pid, process.create_time()),
        name=process.name(),
        user=process.username(),
        cpu_seconds=times.user + times.system,
        memory=process.memory_info().rss,
        command=" ".join(words)[:COMMAND_CHARACTERS] or f"[{process.name()}]",
    )


def select(
    table: Sequence[Process], *, sort: Sort = "cpu", search: str = "", user: str = "", limit: int = 200
) -> list[Process]:
    """
    Return the processes that use most, first; of equal ones the lower pid first.

    `search` is a part of the name or the command, `user` the whole name of a user; letters' case does not matter.
    """
    wanted, who = search.casefold(), user.casefold()
    chosen = [
        p
        for p in table
        if (wanted in p.name.casefold() or wanted in p.command.casefold()) and who in ("", p.user.casefold())
    ]
    chosen.sort(key=lambda p: (-(p.cpu_ratio if sort == "cpu" else p.memory_bytes), p.pid))
    return chosen[:limit]
