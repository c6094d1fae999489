"""Notices: raised once, said anew, taken back; told only when they are other."""

from datetime import UTC, datetime, timedelta

import pytest

from ckkit.hub.notices import Notice, Notices

START = datetime(2026, 11, 24, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_a_notice_keeps_the_time_at_which_it_was_raised() -> None:
    clock = Clock()
    notices = Notices(clock)
    notices.raise_("disk", "critical", "full")
    clock.now += timedelta(minutes=5)
    notices.raise_("disk", "critical", "still full")
    (found,) = notices.list()
    assert (found.text, found.since, found.level) == ("still full", START, "critical")


def test_one_that_ended_and_comes_back_is_new() -> None:
    clock = Clock()
    notices = Notices(clock)
    notices.raise_("disk", "warn", "x")
    notices.clear("disk")
    clock.now += timedelta(minutes=5)
    notices.raise_("disk", "warn", "x")
    assert notices.list()[0].since == clock.now


def test_the_worst_then_the_oldest_first() -> None:
    clock = Clock()
    notices = Notices(clock)
    for key, level in (("a", "warn"), ("b", "critical"), ("c", "warn"), ("d", "critical")):
        notices.raise_(key, level, key)
        clock.now += timedelta(seconds=1)
    assert [notice.key for notice in notices.list()] == ["b", "d", "a", "c"]


def test_only_changes_are_told() -> None:
    told: list[list[Notice]] = []
    notices = Notices(lambda: START, told.append)
    notices.clear("nothing")
    notices.raise_("a", "warn", "x")
    notices.raise_("a", "warn", "x")
    notices.raise_("a", "warn", "y")
    notices.clear("a")
    assert [[notice.text for notice in found] for found in told] == [["x"], ["y"], []]


def test_a_level_that_is_none() -> None:
    with pytest.raises(ValueError, match="fatal"):
        Notices(lambda: START).raise_("a", "fatal", "x")
