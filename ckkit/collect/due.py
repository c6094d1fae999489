"""
Which slot a check runs for, and when its next one is. Pure: `now` is an argument.

Times are whole milliseconds since the epoch. The slots of a check are `n * every +
phase`, whatever happened before, so nothing drifts. The phase comes from the check's
key, so that thousands of checks spread over the interval, and the same check keeps
its second of the minute over restarts.

A late slot is still run while it is the newest one. One that is later (the process
was stopped, the clock jumped forward) is skipped and counted: running all that was
missed would flood the machine and tell nothing about the past. When the clock jumps
back by more than an interval, the check goes on from the new time, instead of waiting
until the old one comes again; only then may a slot occur twice.
"""

from dataclasses import dataclass
from enum import StrEnum
from zlib import crc32


class Reason(StrEnum):
    """Why a turn is what it is."""

    WAIT = "not due yet"
    DUE = "due"
    SKIPPED = "later than the next slot: the clock jumped, or this process stood still"
    CLOCK_BACK = "the clock went back"


@dataclass(frozen=True, slots=True)
class Turn:
    """What to do now: run for the slot `run` (None: nothing), look again at `due`; `skipped` slots never run."""

    reason: Reason
    due: int
    run: int | None = None
    skipped: int = 0


def phase(key: str, every: int) -> int:
    """
    Return where in its interval a check runs: 0 … every - 1, always the same for a key.

    >>> phase("web0/http:homepage", 10_000) == phase("web0/http:homepage", 10_000) < 10_000
    True
    """
    return crc32(key.encode()) % every


def next_slot(now: int, every: int, phase: int) -> int:
    """
    Return the first slot after `now`.

    >>> next_slot(10_000, 10_000, 250), next_slot(10_250, 10_000, 250)
    (10250, 20250)
    """
    return now - (now - phase) % every + every


def turn(due: int, now: int, every: int, phase: int) -> Turn:
    """
    Decide for a check whose next slot is `due`.

    >>> turn(20_250, 20_300, 10_000, 250)
    Turn(reason=<Reason.DUE: 'due'>, due=30250, run=20250, skipped=0)
    """
    # One interval further than a due slot can be: a step back that is shorter only delays the next run.
    if due > now + 2 * every:
        return Turn(Reason.CLOCK_BACK, next_slot(now, every, phase))
    if due > now:
        return Turn(Reason.WAIT, due)
    if now - due < every:
        return Turn(Reason.DUE, due + every, run=due)
    skipped = (now - due) // every + 1
    return Turn(Reason.SKIPPED, due + skipped * every, skipped=skipped)
