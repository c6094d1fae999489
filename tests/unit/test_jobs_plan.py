"""What the runner starts: never two runs of one job, and evaluating never waits for a report."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ckkit.jobs.plan import ROOM, Request, starts, wake
from ckkit.jobs.schedulefile import Job
from ckkit.jobs.triggers import Every, Why

T0 = datetime(2026, 11, 24, 10, tzinfo=UTC)


def job(name: str, every: timedelta) -> Job:
    return Job(name=name, notebook=Path(f"{name}.ipynb"), trigger=Every(every), timeout=every)


EVALUATE = job("evaluate", timedelta(seconds=10))
REPORTS = [job(f"report{n}", timedelta(hours=1)) for n in range(ROOM + 2)]
JOBS = {j.name: j for j in [*REPORTS, EVALUATE]}
DONE = {name: T0 - timedelta(seconds=10) for name in JOBS}


def names(found):
    return [start.job.name for start in found]


def test_at_a_slot_the_short_jobs_come_first_and_reports_share_their_room():
    assert names(starts(JOBS, DONE, [], [], T0)) == ["evaluate", *(f"report{n}" for n in range(ROOM))]


def test_evaluating_starts_although_every_place_is_taken_by_reports():
    running = [r.name for r in REPORTS[:ROOM]]
    assert names(starts(JOBS, DONE, running, [], T0)) == ["evaluate"]


def test_a_job_that_runs_is_not_started_again():
    jobs = {"evaluate": EVALUATE}
    assert starts(jobs, DONE, ["evaluate"], [Request(run_id="a", job="evaluate")], T0) == []


def test_a_slot_that_came_while_its_job_ran_is_run_when_that_has_ended_and_the_missed_ones_are_counted():
    (start,) = starts({"evaluate": EVALUATE}, {"evaluate": T0}, [], [], T0 + timedelta(seconds=33))
    assert start.due is not None
    assert (start.due.slot, start.due.missed) == (T0 + timedelta(seconds=30), 2)


def test_a_request_and_a_slot_of_one_job_are_two_runs_one_after_the_other():
    request = Request(run_id="asked", job="report0", parameters={"hours": 3})
    (start,) = starts({"report0": REPORTS[0]}, DONE, [], [request], T0)
    run = start.run("new", T0)
    assert (run.run_id, run.why, run.slot, run.parameters) == ("asked", Why.REQUEST, None, {"hours": 3})
    (later,) = starts({"report0": REPORTS[0]}, DONE, [], [], T0)
    assert (later.run("new", T0).run_id, later.run("new", T0).slot) == ("new", T0)


def test_a_job_nobody_has_seen_before_is_not_due():
    assert starts({"evaluate": EVALUATE}, {}, [], [], T0) == []


def test_a_request_for_a_job_that_is_gone_is_left_to_the_caller():
    assert starts(JOBS, dict.fromkeys(JOBS, T0), [], [Request(run_id="a", job="gone")], T0) == []


def test_it_wakes_at_the_next_slot_of_any_job():
    assert wake(JOBS, T0 + timedelta(seconds=1)) == T0 + timedelta(seconds=10)
    assert wake({}, T0) is None


@given(
    st.sets(st.sampled_from(sorted(JOBS))),
    st.lists(st.sampled_from(sorted(JOBS)), max_size=5),
    st.integers(0, 7200),
)
def test_whatever_is_asked_no_job_runs_twice_and_reports_keep_to_their_room(running, asked, seconds):
    requests = [Request(run_id=str(n), job=name) for n, name in enumerate(asked)]
    found = names(starts(JOBS, DONE, running, requests, T0 + timedelta(seconds=seconds)))
    assert len(set(found)) == len(found)
    assert not set(found) & running
    if found != ["evaluate"] and found:
        assert len((set(found) | running) - {"evaluate"}) <= max(ROOM, len(running - {"evaluate"}))
    assert ("evaluate" in found) == ("evaluate" not in running)
