"""Times and durations as people give them to the kit: `"6h"`, a timedelta, a datetime, `"2026-11-24 09:00"`."""

from datetime import UTC, datetime, timedelta

from ckkit.durations import duration
from ckkit.errors import Invalid

When = str | timedelta | datetime
STEPS = tuple(
    timedelta(seconds=s)
    for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800)
)
MOST_POINTS = 300


def utcnow() -> datetime:
    return datetime.now(UTC)


def moment(when: When, now: datetime) -> datetime:
    """
    Return the UTC time that `when` means: a duration is before `now`; a time without a zone is UTC.

    >>> moment("6h", datetime(2026, 11, 24, 12, tzinfo=UTC)).isoformat()
    '2026-11-24T06:00:00+00:00'

    Raises:
        Invalid: neither a duration nor a time.
    """
    if isinstance(when, datetime):
        return aware(when)
    if isinstance(when, timedelta):
        return now - when
    try:
        return aware(datetime.fromisoformat(when))
    except ValueError:
        pass
    try:
        return now - duration(when)
    except Invalid:
        raise Invalid(
            f"cannot read {when!r} as a time: write how long ago (10m, 6h, 2d) or a time in UTC (2026-11-24 09:00)"
        ) from None


def aware(when: datetime) -> datetime:
    """Return a time in UTC; one without a zone is UTC already."""
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def naive(when: datetime) -> datetime:
    """Return a time as the store's columns hold it: UTC without a zone."""
    return aware(when).replace(tzinfo=None)


def step_for(span: timedelta, most: int = MOST_POINTS) -> timedelta:
    """
    Return the least round step that cuts `span` into at most `most` buckets.

    >>> step_for(timedelta(hours=1)), step_for(timedelta(days=1))
    (datetime.timedelta(seconds=15), datetime.timedelta(seconds=300))
    """
    # A span that does not start on a step's boundary touches one bucket more.
    for step in STEPS:
        if span / step <= most - 1:
            return step
    weeks = -(-span // (STEPS[-1] * (most - 1)))
    return STEPS[-1] * weeks
