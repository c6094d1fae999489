"""Durations as people write them: `10s`, `5m`, `1h 30m`, `2d`, `250ms`."""

import re
from datetime import timedelta

from ckkit.errors import Invalid

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")


def duration(text: str | timedelta) -> timedelta:
    """
    Read a duration.

    >>> duration("1h 30m")
    datetime.timedelta(seconds=5400)
    >>> duration("250ms")
    datetime.timedelta(microseconds=250000)

    Raises:
        Invalid: not written as numbers with one of the units ms s m h d w.
    """
    if isinstance(text, timedelta):
        return text
    at, seconds = 0, 0.0
    while at < len(text.rstrip()):
        part = _PART.match(text, at)
        if part is None:
            break
        seconds += float(part[1]) * _SECONDS[part[2]]
        at = part.end()
    if at == 0 or text[at:].strip():
        raise Invalid(f"cannot read {text!r} as a duration: write numbers with ms, s, m, h, d or w: 10s, 5m, 1h 30m")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise Invalid(f"the duration {text!r} is longer than time: write less") from None


def show_duration(span: timedelta) -> str:
    """
    Write a duration so that `duration` reads the same back, in at most two units where that is exact.

    >>> show_duration(timedelta(seconds=5400)), show_duration(timedelta(0)), show_duration(timedelta(seconds=0.25))
    ('1h 30m', '0s', '250ms')
    """
    left = round(span.total_seconds() * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        size = round(_SECONDS[unit] * 1000)
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"
