"""The runner tells the hub everything, in order, whatever becomes of the hub meanwhile."""

import threading
from datetime import UTC, datetime

import pytest

from ckkit.errors import CkkitError, HubUnreachable, NotFound, StoreFull, TimedOut
from ckkit.jobs import recorder as module
from ckkit.jobs.plan import Request
from ckkit.jobs.recorder import Recorder
from ckkit.jobs.requests import Requests
from ckkit.model import Event, Run

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


class HubThatFails:
    """A wire that does what it is told to: an error, or nothing, for each command in turn; after that nothing."""

    def __init__(self, *faults: CkkitError | OSError | None) -> None:
        self.faults, self.told, self.opened, self.closed = list(faults), [], 0, 0

    def connect(self):
        self.opened += 1
        return self

    def command(self, name, payload=None):
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        self.told.append((name, payload))
        return {}

    def close(self):
        self.closed += 1


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", (0.01,))


@pytest.fixture
def record():
    made = []

    def make(hub, **more):
        made.append(Recorder(hub.connect, **more))
        return made[-1]

    yield make
    for recorder in made:
        recorder.close()


@pytest.mark.parametrize(
    "fault", [HubUnreachable("away"), TimedOut("slow"), StoreFull("full"), ConnectionResetError("reset")]
)
def test_what_fails_for_the_moment_is_told_again_before_what_came_later(record, fault):
    hub = HubThatFails(None, fault, fault, None)
    recorder = record(hub)
    for n in range(3):
        recorder.tell("runs.start", {"run_id": str(n)})
    assert recorder.flush(5)
    assert [payload["run_id"] for _, payload in hub.told] == ["0", "1", "2"]
    assert hub.opened == 3  # a new wire after each failure


def test_what_the_hub_refuses_is_not_told_for_ever(record):
    hub = HubThatFails(NotFound("no such run"))
    recorder = record(hub)
    recorder.tell("runs.finish", {"run_id": "lost"})
    recorder.tell("runs.start", {"run_id": "next"})
    assert recorder.flush(5)
    assert [payload["run_id"] for _, payload in hub.told] == ["next"]


def test_it_does_not_grow_without_end(record):
    away = threading.Event()

    class Away(HubThatFails):
        def connect(self):
            if not away.is_set():
                raise HubUnreachable("away")
            return super().connect()

    hub = Away()
    recorder = record(hub, limit=3)
    for n in range(10):
        recorder.tell("runs.start", {"run_id": str(n)})
    assert recorder.waiting == 3
    assert not recorder.flush(0.05)
    away.set()
    assert recorder.flush(5)
    assert [payload["run_id"] for _, payload in hub.told] == ["7", "8", "9"]


def test_a_run_is_told_in_the_words_of_the_commands(record):
    hub = HubThatFails()
    recorder = record(hub)
    run = Run(run_id="r", job="j", notebook="n", state="ok", started=NOW, slot=NOW, finished=NOW, parameters={"a": 1})
    recorder.started(run)
    recorder.ended(run)
    assert recorder.flush(5)
    (start, started), (finish, finished) = hub.told
    assert (start, finish) == ("runs.start", "runs.finish")
    assert started == {
        "run_id": "r",
        "job": "j",
        "notebook": "n",
        "started": "2026-11-24T10:00:00Z",
        "slot": "2026-11-24T10:00:00Z",
        "why": "slot",
        "missed": 0,
        "parameters": {"a": 1},
    }
    assert finished == {
        "run_id": "r",
        "state": "ok",
        "error": "",
        "output": "",
        "kernel": "",
        "finished": "2026-11-24T10:00:00Z",
    }


def test_requests_are_taken_once_also_those_made_while_nobody_listened(monkeypatch):
    monkeypatch.setattr("ckkit.jobs.requests.PATIENCE_S", (0.01,))
    done, taken, hung_up = threading.Event(), [], threading.Event()

    class Hub(HubThatFails):
        def command(self, name, payload=None):
            super().command(name, payload)
            return {"seq": 7, "requests": [{"run_id": "before", "job": "report", "parameters": {"hours": 2}}]}

        def watch(self, topics, since=None):
            assert (topics, since) == (["jobs.requested"], 7)
            if not done.is_set():
                yield event({"run_id": "before", "job": "report", "parameters": {}})
                yield event({"job": "report"})  # not understood: told in the log, and passed over
                yield event({"run_id": "live", "job": "report", "parameters": {}})
                done.set()
                return  # the hub ends the watch: it is asked anew
            hung_up.wait(5)

        def close(self):
            if done.is_set():
                hung_up.set()

    hub = Hub(HubUnreachable("not yet"))
    requests = Requests(hub.connect, taken.append)
    assert done.wait(5)
    requests.close()
    assert taken == [
        Request(run_id="before", job="report", parameters={"hours": 2}),
        Request(run_id="live", job="report", parameters={}),
    ]


def event(payload):
    return Event(seq=8, ts=NOW, topic="jobs.requested", payload=payload)
