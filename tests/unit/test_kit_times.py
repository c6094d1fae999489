"""How people say times, and the steps that charts are cut into."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.errors import Invalid
from ckkit.kit.times import MOST_POINTS, STEPS, When, moment, naive, step_for

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "meant"),
    [
        ("6h", "2026-11-24T06:00"),
        ("1d 12h", "2026-11-23T00:00"),
        (timedelta(minutes=30), "2026-11-24T11:30"),
        ("2026-11-24 09:00", "2026-11-24T09:00"),  # without a zone: UTC
        ("2026-11-24T09:00:00+01:00", "2026-11-24T08:00"),
        ("2026-11-24T09:00:00Z", "2026-11-24T09:00"),
        (datetime(2026, 11, 24, 9), "2026-11-24T09:00"),  # noqa: DTZ001  what pandas often gives
        (datetime(2026, 11, 24, 9, tzinfo=timezone(timedelta(hours=-5))), "2026-11-24T14:00"),
    ],
)
def test_a_moment_is_a_duration_ago_or_a_time(when: When, meant: str) -> None:
    found = moment(when, NOW)
    assert found == datetime.fromisoformat(f"{meant}+00:00")
    assert found.tzinfo is UTC


@pytest.mark.parametrize("wrong", ["yesterday", "", "6 hours ago", "2026-13-01"])
def test_what_is_neither_says_how_to_write_it(wrong: str) -> None:
    with pytest.raises(Invalid, match="write how long ago"):
        moment(wrong, NOW)


def test_the_store_is_asked_in_utc_without_a_zone() -> None:
    assert naive(datetime(2026, 11, 24, 13, tzinfo=timezone(timedelta(hours=1)))) == datetime(2026, 11, 24, 12)  # noqa: DTZ001


@given(st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=3650)))
def test_a_step_gives_at_most_300_buckets_and_no_finer_one_would(span: timedelta) -> None:
    step = step_for(span)
    assert span / step + 1 <= MOST_POINTS
    finer = [other for other in STEPS if other < step]
    if finer:
        assert span / finer[-1] + 1 > MOST_POINTS


@pytest.mark.parametrize(
    ("span", "step"), [("5m", "2s"), ("1h", "15s"), ("6h", "2m"), ("1d", "5m"), ("7d", "1h"), ("30d", "3h")]
)
def test_the_steps_of_common_stretches(span: str, step: str) -> None:
    from ckkit.durations import duration

    assert step_for(duration(span)) == duration(step)
