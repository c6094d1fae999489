"""Slots: without drift, spread over the interval, and steady when the clock is not."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.collect.due import Reason, next_slot, phase, turn

EVERY, PHASE = 10_000, 250
DUE = 1_000_000_250  # a slot of (EVERY, PHASE)


@pytest.mark.parametrize(
    ("now", "reason", "run", "due", "skipped"),
    [
        (DUE - 1, Reason.WAIT, None, DUE, 0),  # a millisecond early
        (DUE, Reason.DUE, DUE, DUE + EVERY, 0),  # exactly on time
        (DUE + EVERY - 1, Reason.DUE, DUE, DUE + EVERY, 0),  # late, but still the newest slot
        (DUE + EVERY, Reason.SKIPPED, None, DUE + 2 * EVERY, 2),  # another slot has come: both are skipped
        (DUE + 3_600_000, Reason.SKIPPED, None, DUE + 3_610_000, 361),  # the clock jumped an hour: no flood
        (DUE - 2 * EVERY, Reason.WAIT, None, DUE, 0),  # a small step back only delays
        (DUE - 3_600_000, Reason.CLOCK_BACK, None, DUE - 3_590_000, 0),  # an hour back: no stall
    ],
)
def test_a_turn(now: int, reason: Reason, run: int | None, due: int, skipped: int) -> None:
    found = turn(DUE, now, EVERY, PHASE)
    assert (found.reason, found.run, found.due, found.skipped) == (reason, run, due, skipped)


intervals = st.integers(min_value=1, max_value=10**7)
times = st.integers(min_value=0, max_value=2 * 10**12)


@given(now=times, every=intervals, key=st.text(max_size=20))
def test_the_next_slot_is_after_now_within_one_interval_and_on_the_grid(now: int, every: int, key: str) -> None:
    at = phase(key, every)
    slot = next_slot(now, every, at)
    assert 0 <= at < every
    assert now < slot <= now + every
    assert (slot - at) % every == 0


@given(start=times, every=st.integers(1, 100_000), steps=st.lists(st.integers(0, 300_000), max_size=60))
def test_every_slot_is_run_or_skipped_once_however_time_goes_on(start: int, every: int, steps: list[int]) -> None:
    at = phase("web0/http", every)
    first = due = next_slot(start, every, at)
    now, ran, skipped = start, [], 0
    for step in steps:
        now += step
        found = turn(due, now, every, at)
        if found.run is not None:
            ran.append(found.run)
            assert found.run <= now < found.run + every  # never a slot of the future, never an old one
        skipped += found.skipped
        due = found.due
    assert ran == sorted(set(ran))
    assert all((slot - at) % every == 0 for slot in [*ran, due])
    assert len(ran) + skipped == (due - first) // every


@given(start=times, every=st.integers(1, 100_000), jumps=st.lists(st.integers(-(10**9), 10**9), max_size=40))
def test_a_jumping_clock_neither_stalls_nor_floods(start: int, every: int, jumps: list[int]) -> None:
    at = phase("web0/http", every)
    now, due = start + 10**12, next_slot(start + 10**12, every, at)
    for jump in jumps:
        now += jump
        found = turn(due, now, every, at)
        due = found.due
        assert due <= now + 2 * every  # it goes on within two intervals
        assert due > now or found.reason is Reason.DUE  # and at most one run is owed
        due = turn(due, now, every, at).due if due <= now else due


def test_two_thousand_checks_spread_over_ten_seconds() -> None:
    keys = [f"node-{n}/http:homepage" for n in range(2_000)]
    seconds = Counter(phase(key, 10_000) // 1_000 for key in keys)
    assert len(seconds) == 10
    assert max(seconds.values()) < 300  # 200 is even; none starts more than half as much again


def test_a_check_keeps_its_phase_over_restarts() -> None:
    assert phase("web0/http:homepage", 10_000) == 3_986
