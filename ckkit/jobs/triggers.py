"""
When a job is due: fixed slots and crontabs, and what to run at `now`. No clock, no file.

A slot is the time a run stands for. `Every` has slots at the multiples of its period
since the epoch, so they are the same after a restart and on every machine; that is
integer arithmetic and needs no scheduler. `Cron` asks APScheduler's CronTrigger, and
asks it about the clock on the wall (as if that were UTC), because what to do where
that clock is changed is our rule and not the library's:

* a local time that is skipped runs once, at the first instant after the gap;
* a local time that is repeated runs once, the first time;
* a crontab for every hour (`*` as its hour) follows the hours that really pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from ckkit.durations import show_duration
from ckkit.errors import Invalid
from ckkit.model import EPOCH

MAX_COUNTED = 1000
CLOCK_PATIENCE = timedelta(minutes=1)
_TICK = timedelta(microseconds=1)
_WINDOWS = [timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=366), timedelta(days=366 * 8)]
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class Trigger(Protocol):
    """Slots, in order. Times are aware and UTC."""

    def after(self, then: datetime) -> datetime:
        """Return the first slot later than `then`."""
        ...

    def latest(self, now: datetime) -> datetime | None:
        """Return the last slot at or before `now`; None where there was none in eight years."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """A slot at each multiple of `period` since 1970-01-01T00:00:00Z."""

    period: timedelta

    def after(self, then: datetime) -> datetime:
        return self.latest(then) + self.period

    def latest(self, now: datetime) -> datetime:
        return EPOCH + (now - EPOCH) // self.period * self.period

    def __str__(self) -> str:
        return f"every {show_duration(self.period)}"


@dataclass(frozen=True)
class Cron:
    """
    The five fields of crontab(5), on the clock of a time zone.

    As in crontab(5), 0 and 7 are Sunday, and where both the day of the month and the weekday are given,
    either may match.

    Raises:
        Invalid: not five fields, a field that cannot be read, or a date that never comes.
    """

    text: str
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if self._wall_after(datetime(2024, 1, 1, tzinfo=UTC)) is None:
            raise Invalid(f"the crontab {self.text!r} names a date that never comes")

    def __str__(self) -> str:
        return f"cron {self.text} ({self.zone.key})"

    def after(self, then: datetime) -> datetime:
        shift = self._shift(then)
        best: datetime | None = None
        for wall in self._walls(_wall(then, self.zone) - shift - _TICK):
            if best is not None and wall > _wall(best, self.zone) + shift:
                break
            found = [i for i in self._instants(wall) if i > then]
            best = min([*found, best] if best else found, default=None)
            if best is not None and not shift:
                break
        if best is None:
            raise Invalid(f"the crontab {self.text!r} has no date after {then:%Y-%m-%d}")
        return best

    def latest(self, now: datetime) -> datetime | None:
        for window in _WINDOWS:
            found, slot = None, self.after(now - window)
            while slot <= now:
                found, slot = slot, self.after(slot)
            if found:
                return found
        return None

    @cached_property
    def _triggers(self) -> list[Any]:
        from apscheduler.triggers.cron import CronTrigger

        fields = self.text.split()
        if len(fields) != 5:
            raise Invalid(
                f"cannot read the crontab {self.text!r}: it has {len(fields)} fields, not the five "
                "`minute hour day month weekday`, as in `30 2 * * mon-fri`"
            )
        minute, hour, day, month, weekday = fields
        pairs = [(day, "*"), ("*", weekday)] if day != "*" and weekday != "*" else [(day, weekday)]
        try:
            return [
                CronTrigger(minute=minute, hour=hour, day=d, month=month, day_of_week=_weekdays(w), timezone=UTC)
                for d, w in pairs
            ]
        except ValueError as error:
            raise Invalid(f"cannot read the crontab {self.text!r}: {error}") from None

    @property
    def _every_hour(self) -> bool:
        return self.text.split()[1].startswith("*")

    def _shift(self, then: datetime) -> timedelta:
        """By how much the clock on the wall is changed around `then`; nothing, on nearly every day."""
        day = timedelta(days=1)
        before, after = (i.astimezone(self.zone).utcoffset() or timedelta(0) for i in (then - day, then + day))
        return abs(after - before)

    def _walls(self, wall: datetime) -> Iterator[datetime]:
        """The times on the wall after `wall` that the fields name, in order; UTC stands in for the zone they lack."""
        while (found := self._wall_after(wall)) is not None:
            yield found
            wall = found

    def _wall_after(self, wall: datetime) -> datetime | None:
        found = [trigger.get_next_fire_time(None, wall + _TICK) for trigger in self._triggers]
        return min((f for f in found if f is not None), default=None)

    def _instants(self, wall: datetime) -> list[datetime]:
        """When a time on the wall runs: once; for a crontab of every hour as often as it comes."""
        naive = wall.replace(tzinfo=None)
        first, second = (naive.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        exists = first.astimezone(self.zone).replace(tzinfo=None) == naive
        if self._every_hour:
            return sorted({first, second}) if exists else []
        return [first] if exists else [_gap_end(second, first, self.zone)]


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows, written as if it were UTC."""
    return instant.astimezone(zone).replace(tzinfo=UTC)


def _gap_end(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant, to the second, at which the zone's offset is that of `after`."""
    new = after.astimezone(zone).utcoffset()
    second = timedelta(seconds=1)
    while after - before > second:
        middle = before + (after - before) // second // 2 * second
        if middle.astimezone(zone).utcoffset() == new:
            after = middle
        else:
            before = middle
    return after


def _weekdays(text: str) -> str:
    """
    Write a crontab's weekdays with names: APScheduler counts from Monday, a crontab from Sunday.

    >>> _weekdays("0,5-7"), _weekdays("mon-fri"), _weekdays("*/2")
    ('sun,fri,sat', 'mon,tue,wed,thu,fri', 'sun,tue,thu,sat')
    """
    if text == "*":
        return text
    days = sorted({day % 7 for part in text.split(",") for day in _days(part)})
    return ",".join(_WEEKDAYS[day] for day in days)


def _days(part: str) -> range:
    span, _, step = part.partition("/")
    first, _, last = ("0", "-", "6") if span == "*" else span.partition("-")
    start = _day(first)
    end = _day(last) if last else (6 if step else start)
    if end < start:
        end += 7  # fri-mon
    return range(start, end + 1, int(step or 1))


def _day(text: str) -> int:
    name = text.lower()[:3]
    if name in _WEEKDAYS:
        return _WEEKDAYS.index(name)
    if not text.isdigit() or int(text) > 7:
        raise ValueError(f"{text!r} is no weekday: write 0-7 (0 and 7 are Sunday) or sun … sat")
    return int(text)


class Why(StrEnum):
    """Why a run was started."""

    SLOT = "slot"  # its slot came
    CATCH_UP = "catch-up"  # slots went by unseen: the latest is run, once, late
    REQUEST = "request"  # somebody asked


@dataclass(frozen=True, slots=True)
class Due:
    """A slot to run now. `missed` counts the slots before it that nobody ran (at most MAX_COUNTED)."""

    slot: datetime
    why: Why
    missed: int = 0


def due(trigger: Trigger, done: datetime, now: datetime) -> Due | None:
    """
    Say what to run at `now` when `done` was the last slot that was run (or skipped on purpose).

    The latest slot, and only that: what was missed before it is counted, not made up for. It is a catch-up
    when slots were missed.
    """
    slot = trigger.latest(now)
    if slot is None or slot <= done:
        return None
    missed, then = 0, trigger.after(done)
    while then < slot and missed < MAX_COUNTED:
        missed, then = missed + 1, trigger.after(then)
    return Due(slot, Why.CATCH_UP if missed else Why.SLOT, missed)


def settled(trigger: Trigger, done: datetime, now: datetime) -> datetime:
    """
    Return the last slot that counts as done at `now`: `done`, but for a clock that was set back.

    Behind by up to CLOCK_PATIENCE the clock is waited for. Behind by more, the slots that come again are run
    again, from the next one on: a monitor that is not evaluated for an hour is worse than one evaluated twice.
    """
    if done - now <= CLOCK_PATIENCE:
        return done
    return trigger.latest(now) or now
