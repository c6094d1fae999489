"""When a job is due (R39): slots, crontabs, clocks that are changed, slots that were missed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.errors import Invalid
from ckkit.jobs.triggers import CLOCK_PATIENCE, MAX_COUNTED, Cron, Due, Every, Trigger, Why, due, settled

TEN = Every(timedelta(seconds=10))
BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(text: str, zone: str = "UTC") -> Cron:
    return Cron(text, ZoneInfo(zone))


def slots(trigger: Trigger, since: str, count: int) -> list[str]:
    found, then = [], utc(since)
    for _ in range(count):
        then = trigger.after(then)
        found.append(f"{then:%m-%d %H:%M}")
    return found


# On 29 March 2026 Berlin's clocks go from 02:00 to 03:00 (at 01:00 UTC), on 25 October from 03:00 back to 02:00
# (01:00 UTC). Lord Howe's go back by half an hour; Apia left out 30 December 2011. Times expected are UTC.
CLOCKS = [
    ("30 2 * * *", BERLIN, "2026-03-28", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),  # skipped: at the gap's end
    ("0,30 2 * * *", BERLIN, "2026-03-28T12:00", ["03-29 01:00", "03-30 00:00"]),  # both skipped: once
    ("0,30 2-3 * * *", BERLIN, "2026-03-28T12:00", ["03-29 01:00", "03-29 01:30", "03-30 00:00"]),  # and 03:00 is it
    ("0 3 * * *", BERLIN, "2026-03-28T12:00", ["03-29 01:00", "03-30 01:00"]),  # exists: as ever
    ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),  # repeated: the first time only
    ("0 3 * * *", BERLIN, "2026-10-24T12:00", ["10-25 02:00", "10-26 02:00"]),
    ("0 * * * *", BERLIN, "2026-03-28T23:00", ["03-29 00:00", "03-29 01:00", "03-29 02:00"]),  # every real hour
    ("0 * * * *", BERLIN, "2026-10-24T23:00", ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
    ("*/30 * * * *", BERLIN, "2026-10-25", ["10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"]),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00", ["04-04 14:45", "04-05 15:15"]),  # half an hour, twice
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", ["10-03 15:30", "10-04 15:15"]),
    ("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00", ["12-29 22:00", "12-30 10:00", "12-30 22:00"]),  # a day is gone
    ("30 2 * * *", "UTC", "2026-03-28T12:00", ["03-29 02:30", "03-30 02:30"]),
]


@pytest.mark.parametrize(("text", "zone", "since", "expected"), CLOCKS)
def test_a_local_time_runs_once_whatever_the_clocks_do(text, zone, since, expected):
    assert slots(cron(text, zone), since, len(expected)) == expected


CRONTABS = [
    ("0 9 * * 1-5", "2026-11-20T12:00", ["11-23 09:00", "11-24 09:00"]),  # Monday is 1, as in crontab(5)
    ("0 9 * * 0", "2026-11-20", ["11-22 09:00", "11-29 09:00"]),  # Sunday is 0
    ("0 9 * * 7", "2026-11-20", ["11-22 09:00"]),  # and 7
    ("0 9 * * sun,wed", "2026-11-20", ["11-22 09:00", "11-25 09:00"]),
    ("0 9 * * fri-mon", "2026-11-23T12:00", ["11-27 09:00", "11-28 09:00", "11-29 09:00", "11-30 09:00"]),
    ("0 0 1 * 1", "2026-11-25", ["11-30 00:00", "12-01 00:00"]),  # a Monday, or the first
    ("15 10 24 11 *", "2026-11-20", ["11-24 10:15"]),
    ("*/20 10 * * *", "2026-11-20T10:15", ["11-20 10:20", "11-20 10:40", "11-21 10:00"]),
]


@pytest.mark.parametrize(("text", "since", "expected"), CRONTABS)
def test_a_crontab_means_what_crontab_5_says(text, since, expected):
    assert slots(cron(text), since, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("* * * *", "it has 4 fields"),
        ("61 * * * *", "higher than the maximum value"),
        ("* * * * someday", "'someday' is no weekday"),
        ("* * * * 8", "'8' is no weekday"),
        ("0 0 30 2 *", "a date that never comes"),
    ],
)
def test_a_crontab_that_cannot_be_is_refused(text, said):
    with pytest.raises(Invalid, match=said):
        cron(text)


@pytest.mark.parametrize(
    ("now", "latest", "after"),
    [
        ("2026-11-24T10:00:00", "2026-11-24T10:00:00", "2026-11-24T10:00:10"),  # a slot is its own latest
        ("2026-11-24T10:00:09.999", "2026-11-24T10:00:00", "2026-11-24T10:00:10"),
        ("1969-12-31T23:59:55", "1969-12-31T23:59:50", "1970-01-01T00:00:00"),  # before the epoch as after it
    ],
)
def test_slots_lie_at_the_multiples_of_the_period(now, latest, after):
    assert TEN.latest(utc(now)) == utc(latest)
    assert TEN.after(utc(now)) == utc(after)


MOMENTS = st.integers(1_580_000_000, 1_890_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
CRONS = st.sampled_from([cron("30 2 * * *", BERLIN), cron("*/20 * * * *", BERLIN), cron("0 0 1 * 1", "Pacific/Apia")])
PERIODS = st.integers(1, 100_000).map(lambda s: Every(timedelta(seconds=s)))


@given(st.one_of(CRONS, PERIODS), MOMENTS)
def test_latest_and_after_are_neighbours(trigger, now):
    latest, after = trigger.latest(now), trigger.after(now)
    assert latest <= now < after
    assert trigger.after(latest) == after


DUE = [
    ("10:00:00", "10:00:09", None),  # done, and the next has not come
    ("10:00:00", "10:00:10", Due(utc("2026-11-24T10:00:10"), Why.SLOT)),
    ("10:00:00", "10:00:19.9", Due(utc("2026-11-24T10:00:10"), Why.SLOT)),  # late, but nothing missed
    ("10:00:00", "10:00:20", Due(utc("2026-11-24T10:00:20"), Why.CATCH_UP, 1)),  # the latest only, flagged
    ("10:00:00", "10:05:03", Due(utc("2026-11-24T10:05:00"), Why.CATCH_UP, 29)),
    ("10:00:00", "09:59:00", None),  # the clock was set back
]


@pytest.mark.parametrize(("done", "now", "expected"), DUE)
def test_what_is_due(done, now, expected):
    assert due(TEN, utc(f"2026-11-24T{done}"), utc(f"2026-11-24T{now}")) == expected


def test_missed_while_down_is_one_run_however_many_slots_it_was():
    found = due(cron("* * * * *"), utc("2026-10-01"), utc("2026-11-24T10:00:30"))
    assert found == Due(utc("2026-11-24T10:00:00"), Why.CATCH_UP, MAX_COUNTED)


@given(st.lists(st.integers(0, 120), min_size=1, max_size=40), st.integers(0, 1_000_000))
def test_over_any_pauses_each_slot_is_run_or_counted_as_missed(pauses, start):
    now = datetime.fromtimestamp(1_800_000_000 + start, UTC)
    first = done = TEN.latest(now)
    ran = missed = 0
    for pause in pauses:
        now += timedelta(seconds=pause)
        if found := due(TEN, done, now):
            assert found.slot > done
            assert (found.why is Why.CATCH_UP) == (found.missed > 0)
            ran, missed, done = ran + 1, missed + found.missed, found.slot
    assert (ran + missed) * TEN.period == TEN.latest(now) - first


def test_a_clock_set_back_a_little_is_waited_for():
    done = utc("2026-11-24T10:00:00")
    assert settled(TEN, done, done - CLOCK_PATIENCE) == done


def test_a_clock_set_back_by_an_hour_does_not_stop_a_job_for_an_hour():
    now = utc("2026-11-24T09:00:03")
    done = settled(TEN, utc("2026-11-24T10:00:00"), now)
    assert due(TEN, done, now) is None  # not at once: nothing says that the slot was not run
    assert due(TEN, done, now + TEN.period) == Due(utc("2026-11-24T09:00:10"), Why.SLOT)
