"""
The logs of the parts: home/logs/<part>.log. Kept small by the supervisor; read, merged and followed by `ckkit logs`.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ckkit.errors import NotFound

KEPT = 3  # older logs of a part: <part>.log.1, the newest of them, to .3
START_NEW_BYTES = 1 << 20  # one that is larger gets a new file at the next start
LONGEST_BYTES = 16 << 20  # and one that grows beyond this, while its part is writing
BLOCK = 64 << 10


def rotate(log: Path, larger_than: int = 0) -> bool:
    """Move `x.log` to `x.log.1` and the older ones on, when it is larger than that. Says whether it did."""
    if not log.exists() or log.stat().st_size <= larger_than:
        return False
    _move_on(log)
    log.rename(_older(log, 1))
    return True


def cut(log: Path, larger_than: int = LONGEST_BYTES) -> bool:
    """
    Copy a log that its part is writing to `x.log.1` and empty it; the part, which appends, goes on at its start.

    What is written between the copy and the cut is lost: a few lines of a log that has millions.
    """
    if not log.exists() or log.stat().st_size <= larger_than:
        return False
    _move_on(log)
    shutil.copyfile(log, _older(log, 1))
    os.truncate(log, 0)
    return True


def _move_on(log: Path) -> None:
    for number in range(KEPT - 1, 0, -1):
        if _older(log, number).exists():
            _older(log, number).rename(_older(log, number + 1))


def _older(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")


def tail(log: Path, lines: int) -> list[str]:
    """Return the last lines of a file, read from its end; none where there is no such file."""
    try:
        size = log.stat().st_size
        with log.open("rb") as file:
            data, at = b"", size
            while at > 0 and data.count(b"\n") <= lines:
                at = max(0, at - BLOCK)
                file.seek(at)
                data = file.read(min(BLOCK, size - at - len(data))) + data
    except OSError:
        return []
    return data.decode("utf-8", "replace").splitlines()[-lines:] if lines > 0 else []


def which(folder: Path, part: str | None) -> list[Path]:
    """
    Return the log of a part, or of all parts.

    Raises:
        NotFound: that part has none; names those that have.
    """
    found = sorted(folder.glob("*.log"))
    if part is None:
        return found
    log = folder / f"{part}.log"
    if log not in found:
        there = ", ".join(path.stem for path in found) or "none yet: `./ck up` starts the parts"
        raise NotFound(f"no log of {part!r} in {folder}: there are {there}")
    return [log]


def readable(line: str) -> str:
    """
    Return a line of a log as people read it: of one that is JSON the time, what happened, and its fields.

    >>> readable('{"event": "run failed", "level": "warning", "timestamp": "2026-11-24T09:05:07.25Z", "job": "x"}')
    '2026-11-24T09:05:07Z  warning: run failed  job=x'
    >>> readable("[I 2026-11-24 09:05:07 ServerApp] linked")
    '[I 2026-11-24 09:05:07 ServerApp] linked'
    """
    try:
        found: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
        event, level, at = found.pop("event"), found.pop("level", "info"), str(found.pop("timestamp"))
    except (AttributeError, KeyError, TypeError, ValueError):
        return line
    trace = f"\n{found.pop('exception')}" if "exception" in found else ""
    fields = " ".join(f"{key}={value}" for key, value in found.items())
    what = event if level == "info" else f"{level}: {event}"
    return f"{at[:19]}Z  {what}  {fields}".rstrip() + trace


def shown(logs: Sequence[Path], lines: int, *, raw: bool = False) -> Iterator[str]:
    """Yield the last lines of each log; where there are several, each line begins with its part."""
    width = max((len(log.stem) for log in logs), default=0)
    for log in logs:
        for line in tail(log, lines):
            yield _marked(line, log, width if len(logs) > 1 else 0, raw)


def _marked(line: str, log: Path, width: int, raw: bool) -> str:
    text = line if raw else readable(line)
    return f"{log.stem.ljust(width)}  {text}" if width else text


def follow(
    logs: Callable[[], Sequence[Path]],
    pause: Callable[[float], None] = time.sleep,
    every_s: float = 0.2,
    *,
    raw: bool = False,
) -> Iterator[str]:
    """Yield lines as they are written, for ever, from where the logs end now. A log may be renewed, cut or appear."""
    seen = {log: _Reader(log, at_end=True) for log in logs()}
    while True:
        known = logs()
        width = max((len(log.stem) for log in known), default=0)
        for log in known:
            reader = seen.setdefault(log, _Reader(log, at_end=False))
            for line in reader.new_lines():
                yield _marked(line, log, width if len(known) > 1 else 0, raw)
        pause(every_s)


class _Reader:
    """Where reading a growing file has come to."""

    def __init__(self, log: Path, *, at_end: bool) -> None:
        self._log, self._half = log, b""
        self._at = log.stat().st_size if at_end and log.exists() else 0
        self._inode = log.stat().st_ino if log.exists() else 0

    def new_lines(self) -> list[str]:
        try:
            status = self._log.stat()
            if status.st_ino != self._inode or status.st_size < self._at:
                self._inode, self._at, self._half = status.st_ino, 0, b""
            if status.st_size == self._at:
                return []
            with self._log.open("rb") as file:
                file.seek(self._at)
                data = self._half + file.read()
                self._at = file.tell()
        except OSError:
            return []
        whole, _, self._half = data.rpartition(b"\n")
        return whole.decode("utf-8", "replace").splitlines() if whole else []
