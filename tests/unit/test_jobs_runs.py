"""What the hub keeps of runs: told twice it counts once, and a runner that died leaves nothing running."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ckkit.config import Workspace
from ckkit.errors import Invalid, NotFound
from ckkit.hub import registry
from ckkit.hub.commands import jobs as _jobs  # noqa: F401  registers
from ckkit.hub.commands import runs as _runs  # noqa: F401
from ckkit.hub.notices import Notices
from ckkit.hub.registry import Caller, Role
from ckkit.model import Run
from ckkit.store import Store, runs

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
RUN = Run(
    run_id="r1",
    job="evaluate",
    notebook="evaluate.ipynb",
    state="running",
    started=NOW,
    slot=NOW,
    parameters={"hours": 24, "nodes": ["a", "b"]},
    why="catch-up",
    missed=3,
)
END = {"state": "ok", "error": "", "output": "evaluate/x.ipynb", "kernel": "pid 1, run 2", "finished": NOW}


class HubOfATest:
    """What the commands of jobs need of a hub."""

    def __init__(self, store, workspace):
        self.store, self.workspace, self.notices = store, workspace, Notices(self.clock)
        self.events = []
        store.on_commit(self.events.extend)

    def clock(self):
        return NOW

    def ask(self, name, /, **payload):
        found = registry.find(name)
        ask = registry.payload_of(found, msgspec.json.encode(payload))
        reply = found.run(self, ask, Caller(name="ann", role=Role.OPERATOR))
        return msgspec.json.decode(msgspec.json.encode(reply))


@pytest.fixture
def hub(tmp_path):
    scheduled = tmp_path / "scheduled"
    scheduled.mkdir()
    (scheduled / "report.ipynb").write_text(
        '{"cells": [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "hours = 24\\nslot = \'\'"}]}'
    )
    (scheduled / "schedule.toml").write_text('[[jobs]]\nname = "report"\nnotebook = "report.ipynb"\nevery = "1h"\n')
    store = Store.open(tmp_path / "ckkit.duckdb", clock=lambda: NOW)
    yield HubOfATest(store, Workspace(tmp_path))
    store.close()


def test_a_run_is_written_and_read_back(hub):
    hub.store.write(lambda tx: runs.start(tx, RUN))
    assert runs.newest(hub.store) == [RUN]
    hub.store.write(lambda tx: runs.finish(tx, "r1", **END | {"finished": NOW + timedelta(seconds=2)}))
    ended = replace(
        RUN, state="ok", output="evaluate/x.ipynb", kernel="pid 1, run 2", finished=NOW + timedelta(seconds=2)
    )
    assert runs.newest(hub.store, "evaluate") == [ended]
    assert runs.last(hub.store) == {"evaluate": ended}
    assert runs.slots(hub.store) == {"evaluate": NOW}
    assert runs.newest(hub.store, "other") == []


def test_what_is_told_twice_counts_once_and_is_told_on_once(hub):
    for _ in range(2):
        hub.store.write(lambda tx: runs.start(tx, RUN))
    for _ in range(2):
        hub.store.write(lambda tx: runs.finish(tx, "r1", **END))
    hub.store.write(lambda tx: runs.start(tx, RUN))  # late, and again
    assert [run.state for run in runs.newest(hub.store)] == ["ok"]
    assert [event.topic for event in hub.events] == ["jobs.finished"]


@pytest.mark.parametrize(
    ("state", "topic"), [("ok", "jobs.finished"), ("failed", "jobs.failed"), ("timeout", "jobs.failed")]
)
def test_how_a_run_ended_is_an_event(hub, state, topic):
    hub.store.write(lambda tx: runs.start(tx, RUN))
    hub.ask("runs.finish", run_id="r1", state=state, error="why", finished=(NOW + timedelta(seconds=1.5)).isoformat())
    (event,) = hub.events
    assert (event.topic, event.scope, event.source) == (topic, "evaluate", "runner")
    assert event.payload == {
        "run_id": "r1",
        "job": "evaluate",
        "state": state,
        "error": "why",
        "slot": "2026-11-24T10:00:00Z",
        "took_seconds": 1.5,
    }


def test_a_run_that_nobody_started_cannot_end(hub):
    with pytest.raises(NotFound, match="no run 'r9' was started"):
        hub.ask("runs.finish", run_id="r9", state="ok")


def test_the_runs_of_a_runner_that_died_are_closed_as_failed(hub):
    hub.store.write(lambda tx: runs.start(tx, RUN))
    hub.store.write(lambda tx: runs.start(tx, replace(RUN, run_id="r2")))
    hub.store.write(lambda tx: runs.finish(tx, "r1", **END))
    assert hub.ask("runs.close", error="the runner ended while it ran") == {"closed": 1}
    assert {run.run_id: (run.state, run.error) for run in runs.newest(hub.store)} == {
        "r1": ("ok", ""),
        "r2": ("failed", "the runner ended while it ran"),
    }
    assert hub.ask("runs.close", error="again") == {"closed": 0}


def test_the_newest_runs_come_first_and_no_more_than_asked(hub):
    for n in range(5):
        run = replace(RUN, run_id=f"r{n}", started=NOW + timedelta(minutes=n))
        hub.store.write(lambda tx, run=run: runs.start(tx, run))
    assert [run["run_id"] for run in hub.ask("runs.list", job="evaluate", limit=2)] == ["r4", "r3"]


def test_a_request_is_an_event_and_pending_until_its_run_starts(hub):
    asked = hub.ask("jobs.run", name="report", parameters={"hours": 2})
    pending = hub.ask("jobs.pending")
    assert pending["requests"] == [{"run_id": asked["run_id"], "job": "report", "parameters": {"hours": 2}}]
    assert pending["seq"] == hub.events[0].seq
    hub.store.write(lambda tx: runs.start(tx, replace(RUN, run_id=asked["run_id"], slot=None)))
    assert hub.ask("jobs.pending") == {"seq": pending["seq"], "requests": []}
    assert hub.ask("runs.slots") == {}


@pytest.mark.parametrize(
    ("name", "parameters", "error", "said"),
    [
        ("reprt", {}, NotFound, "did you mean 'report'"),
        ("report", {"hour": 1}, Invalid, "did you mean 'hours'\\? it knows hours"),
        ("report", {"slot": ""}, Invalid, "has no parameter 'slot'"),  # the runner's
    ],
)
def test_what_cannot_be_run_is_refused_at_once(hub, name, parameters, error, said):
    with pytest.raises(error, match=said):
        hub.ask("jobs.run", name=name, parameters=parameters)
    assert hub.events == []


def test_jobs_are_listed_with_their_last_run_and_their_next_slot(hub):
    hub.store.write(lambda tx: runs.start(tx, replace(RUN, job="report")))
    (job,) = hub.ask("jobs.list")
    assert job["last_run"].pop("run_id") == "r1"
    del job["last_run"]
    assert job == {
        "name": "report",
        "notebook": "report.ipynb",
        "every": "1h",
        "timeout": "5m",
        "parameters": {},
        "next": "2026-11-24T11:00:00Z",
    }


def test_a_schedule_that_is_wrong_is_told_and_the_old_one_listed(hub):
    hub.ask("jobs.list")
    path = hub.workspace.scheduled / "schedule.toml"
    path.write_text(path.read_text() + "evry = 1\n")
    (problem,) = hub.ask("jobs.problems")
    assert (problem["file"], problem["line"]) == (str(path), 5)
    assert "did you mean 'every'?" in problem["message"]
    assert [job["name"] for job in hub.ask("jobs.list")] == ["report"]
    hub.ask("jobs.notice", problem=problem["message"])
    assert "the schedule as it was stays in force" in hub.notices.list()[0].text
    hub.ask("jobs.notice", problem=None)
    assert hub.notices.list() == []
