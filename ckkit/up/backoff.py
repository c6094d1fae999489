"""
When a part is started, when it is ended because it hangs, and why. Pure: `now` is an argument.

Times are seconds of a monotonic clock, so that a clock that jumps neither delays a start nor kills a part.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 60.0
WELL_S = 60.0  # healthy for this long, its next death is a first one
START_PATIENCE_S = 120.0
SILENCE_S = 60.0  # no answer for this long after it had been healthy: it hangs
TRIES = 3  # deaths of an essential part that has never answered: then there is no point in going on


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """
    What is remembered of one part. `deaths` counts those in a row; `ready_s` is how long its last start took.

    A part runs while `started_at` is set; it is healthy while `healthy_since` is.
    """

    essential: bool = False
    started_at: float | None = None
    healthy_since: float | None = None
    answered_at: float | None = None
    died_at: float | None = None
    deaths: int = 0
    ever_healthy: bool = False
    ready_s: float | None = None
    why: str = ""


class Do(StrEnum):
    NOTHING = "nothing"
    START = "start"
    END = "end"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class Verdict:
    do: Do
    reason: str


def delay_s(deaths: int) -> float:
    """
    Return how long to wait after so many deaths in a row.

    >>> [delay_s(n) for n in (0, 1, 2, 3, 7, 8, 1000)]
    [0.0, 0.5, 1.0, 2.0, 32.0, 60.0, 60.0]
    """
    if deaths <= 0:
        return 0.0
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(deaths - 1, 20))


def decide(course: Course, now: float, *, ready: bool = True) -> Verdict:
    """Say what to do with a part at `now`. `ready`: the parts that it needs have been healthy."""
    if course.started_at is None:
        return _of_one_that_does_not_run(course, now, ready)
    if course.healthy_since is None:
        waited = now - course.started_at
        if waited >= START_PATIENCE_S:
            return Verdict(Do.END, f"it has not answered in {waited:.0f} s since its start")
        return Verdict(Do.NOTHING, "starting")
    silent = now - (course.answered_at or course.healthy_since)
    if silent >= SILENCE_S:
        return Verdict(Do.END, f"it has not answered for {silent:.0f} s")
    return Verdict(Do.NOTHING, "healthy")


def _of_one_that_does_not_run(course: Course, now: float, ready: bool) -> Verdict:
    if course.essential and not course.ever_healthy and course.deaths >= TRIES:
        return Verdict(
            Do.GIVE_UP, f"it ended {course.deaths} times before it ever answered; the last time it {course.why}"
        )
    if not ready:
        return Verdict(Do.NOTHING, "waits for the hub")
    if course.died_at is None:
        return Verdict(Do.START, "first start")
    left = course.died_at + delay_s(course.deaths) - now
    if left > 0:
        return Verdict(Do.NOTHING, f"{course.why}; starts again in {left:.1f} s")
    return Verdict(Do.START, f"{course.why}; start {course.deaths + 1}")


def started(course: Course, now: float) -> Course:
    return replace(course, started_at=now, healthy_since=None, answered_at=None, ready_s=None)


def answered(course: Course, now: float) -> Course:
    """It gave a sign of health."""
    if course.started_at is None:
        return course
    if course.healthy_since is not None:
        return replace(course, answered_at=now)
    took = now - course.started_at
    return replace(course, healthy_since=now, answered_at=now, ever_healthy=True, ready_s=took)


def died(course: Course, now: float, why: str) -> Course:
    """It ended; `why` continues the words "it …"."""
    well = course.healthy_since is not None and now - course.healthy_since >= WELL_S
    deaths = 1 if well else course.deaths + 1
    return replace(
        course, started_at=None, healthy_since=None, answered_at=None, died_at=now, deaths=deaths, ready_s=None, why=why
    )


def how(code: int) -> str:
    """
    Say how a process ended, from its return code.

    >>> how(-9), how(2)
    ('was killed by signal 9 (SIGKILL)', 'ended with code 2')
    """
    if code >= 0:
        return f"ended with code {code}"
    import signal

    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    return f"was killed by signal {-code}{name}"
