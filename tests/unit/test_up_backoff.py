"""When a part is started, ended, given up: a table with a sentence a row, then what holds for every course."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.up import backoff
from ckkit.up.backoff import SILENCE_S, START_PATIENCE_S, WELL_S, Course, Do

RUNS = Course(started_at=100.0)
HEALTHY = Course(started_at=100.0, healthy_since=101.0, answered_at=101.0, ever_healthy=True)
DEAD = Course(died_at=100.0, deaths=1, why="ended with code 1")


@pytest.mark.parametrize(
    ("course", "now", "ready", "do", "reason"),
    [
        (Course(), 0.0, True, Do.START, "first start"),
        (Course(), 0.0, False, Do.NOTHING, "waits for the hub"),
        (RUNS, 101.0, True, Do.NOTHING, "starting"),
        (RUNS, 100.0 + START_PATIENCE_S, True, Do.END, "has not answered in 120 s since its start"),
        (HEALTHY, 102.0, True, Do.NOTHING, "healthy"),
        (HEALTHY, 101.0 + SILENCE_S - 0.1, True, Do.NOTHING, "healthy"),  # one slow answer is no reason to kill
        (HEALTHY, 101.0 + SILENCE_S, True, Do.END, "has not answered for 60 s"),
        (DEAD, 100.1, True, Do.NOTHING, "ended with code 1; starts again in 0.4 s"),
        (DEAD, 100.5, True, Do.START, "ended with code 1; start 2"),
        (DEAD, 100.5, False, Do.NOTHING, "waits for the hub"),
        (Course(essential=True, died_at=1.0, deaths=2), 9.0, True, Do.START, "start 3"),
        (Course(essential=True, died_at=1.0, deaths=3, why="ended with code 2"), 9.0, True, Do.GIVE_UP, "code 2"),
        (Course(essential=True, died_at=1.0, deaths=9, ever_healthy=True), 99.0, True, Do.START, "start 10"),
        (Course(died_at=1.0, deaths=9), 99.0, True, Do.START, "start 10"),  # the others can do without it
    ],
)
def test_what_to_do_with_a_part(course, now, ready, do, reason):
    verdict = backoff.decide(course, now, ready=ready)
    assert verdict.do is do
    assert reason in verdict.reason


def test_a_part_that_was_well_for_long_dies_for_the_first_time():
    ill = backoff.died(HEALTHY, 101.0 + WELL_S - 1, "x")
    assert backoff.died(backoff.answered(backoff.started(ill, 200.0), 201.0), 202.0, "x").deaths == 2
    assert backoff.died(backoff.answered(backoff.started(ill, 200.0), 201.0), 201.0 + WELL_S, "x").deaths == 1


def test_a_start_forgets_the_health_of_the_one_before():
    again = backoff.started(backoff.died(HEALTHY, 200.0, "x"), 201.0)
    assert (again.healthy_since, again.ready_s, again.ever_healthy) == (None, None, True)
    assert backoff.answered(again, 203.5).ready_s == 2.5


def test_an_answer_that_comes_after_the_death_counts_for_nothing():
    assert backoff.answered(DEAD, 101.0) is DEAD


@given(st.lists(st.floats(min_value=0.01, max_value=WELL_S - 1), min_size=1, max_size=40))
def test_one_that_keeps_dying_is_started_ever_less_often(lives):
    course, now, waits = Course(), 0.0, []
    for life in lives:
        course = backoff.answered(backoff.started(course, now), now)
        now += life
        course = backoff.died(course, now, "died")
        wait = backoff.delay_s(course.deaths)
        assert backoff.decide(course, now + wait - 0.01).do is Do.NOTHING
        now += wait
        assert backoff.decide(course, now + 1e-6).do is Do.START
        waits.append(wait)
    assert waits == sorted(waits)
    assert max(waits) <= backoff.LONGEST_DELAY_S
