"""The supervisor's own log: events with fields, one a line, for home/logs/up.log."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path


def line(at: datetime, event: str, **fields: object) -> str:
    """
    Return one line.

    >>> line(datetime(2026, 11, 24, 9, 5, 7, 250000, tzinfo=UTC), "part died", part="hub", code=-9, why=None)
    '2026-11-24T09:05:07.250Z  part died  part=hub code=-9'
    """
    said = " ".join(f"{key}={_value(value)}" for key, value in fields.items() if value is not None)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z  {event}  {said}".rstrip()


def _value(value: object) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return repr(text) if " " in text or not text else text


class Journal:
    """Appends to a file. It must never stop the supervisor: what cannot be written is not."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path, self._clock = path, clock

    def say(self, event: str, **fields: object) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line(self._clock(), event, **fields) + "\n")
        except OSError:
            return
