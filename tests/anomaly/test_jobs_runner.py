"""The runner, a real process beside a real hub: killed, stopped, alone, with a schedule that goes wrong."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from ckkit.config import Home
from ckkit.errors import Invalid
from ckkit.kit.kit import Kit
from ckkit.wire import HttpWire

SCHEDULED = Path(__file__).parents[2] / "scheduled"
SCHEDULE = """
[[jobs]]
name = "tick"
notebook = "tick.ipynb"
every = "1s"
timeout = "5s"

[[jobs]]
name = "report"
notebook = "report.ipynb"
cron = "0 0 1 1 *"
timeout = "20s"
"""
EVALUATE = """
[[jobs]]
name = "evaluate_monitors"
notebook = "evaluate_monitors.ipynb"
every = "2s"
timeout = "1800ms"
"""
TOML = """
[hub]
evaluate_every = "2s"
deadline = "1s"
[this_machine]
enabled = false
"""
TICK = ["slot = ''", "assert slot"]
REPORT = [
    "seconds = 0.0\nword = ''\nfatal = False",
    "import os, time; time.sleep(seconds)",
    "if fatal: os.kill(os.getpid(), 9)",
    "print(word)\nchanged = word == 'changed'",
]


def notebook(path, parameters, *cells):
    def cell(n, source, **metadata):
        return {
            "cell_type": "code",
            "execution_count": None,
            "id": f"c{n}",
            "metadata": metadata,
            "outputs": [],
            "source": source,
        }

    made = [cell(0, parameters, tags=["parameters"]), *(cell(n, source) for n, source in enumerate(cells, 1))]
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


class Place:
    """A home, a workspace, and the processes that run on them."""

    def __init__(self, folder):
        self.home, self.workspace = Home(folder / "home"), folder / "workspace"
        (self.workspace / "scheduled").mkdir(parents=True)
        (self.workspace / "ckkit.toml").write_text(TOML)
        self.schedule = self.workspace / "scheduled" / "schedule.toml"
        self.schedule.write_text(SCHEDULE)
        notebook(self.workspace / "scheduled" / "tick.ipynb", *TICK)
        notebook(self.workspace / "scheduled" / "report.ipynb", *REPORT)
        self.env = {
            **os.environ,
            "CKKIT_HOME": str(self.home.path),
            "CKKIT_WORKSPACE": str(self.workspace),
            "XDG_RUNTIME_DIR": str(folder),
        }
        self.log = (folder / "log").open("w")
        self.started = []
        self._runner = None

    def start(self, module, *arguments):
        command = [sys.executable, "-m", module, *arguments]
        process = subprocess.Popen(command, env=self.env, cwd=self.workspace, stdout=self.log, stderr=self.log)
        self.started.append(process)
        return process

    def start_hub(self):
        hub = self.start("ckkit.hub", "--port", "0")
        wait_for(lambda: self._answers(hub.pid), 30)
        return hub

    def runner(self):
        """The runner, started where none runs."""
        if self._runner is None or self._runner.poll() is not None:
            self._runner = self.start_runner()
        return self._runner

    def start_runner(self):
        runner = self.start("ckkit.jobs")
        try:
            wait_for(lambda: self.said().get("pid") == runner.pid and self.said()["jobs"], 30)
        except BaseException:
            runner.kill()
            raise
        return runner

    def _answers(self, pid):
        return (self.home.part("hub") or {}).get("pid") == pid and self.kit()

    def kit(self):
        return Kit(HttpWire.connect(self.home))

    def said(self):
        return self.home.part("runner") or {}

    def runs(self, job):
        with self.kit() as kit:
            return kit.jobs.runs(job, limit=500)

    def run(self, run_id):
        return next((r for r in self.runs("report") if r.run_id == run_id), None)

    def stop_all(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.log.close()


def wait_for(found, seconds=15.0):
    end = time.monotonic() + seconds
    while True:
        if value := found():
            return value
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def kernels_of(pid):
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):  # one that has just ended
            found += [child] if "ckkit.jobs.kernel" in " ".join(child.cmdline()) else []
    return found


def _lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def all_gone(processes):
    return not [p for p in processes if _lives(p)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("r"))
    made.start_hub()
    yield made
    made.stop_all()


@pytest.fixture
def runner(place):
    return place.runner()


def test_each_slot_is_run_once_and_on_time(place, runner):
    before = len(place.runs("tick"))
    wait_for(lambda: len([r for r in place.runs("tick") if r.state == "ok"]) >= before + 4)
    runs = [r for r in place.runs("tick") if r.state != "running" and r.why == "slot"]
    assert {r.state for r in runs} == {"ok"}
    slots = [r.slot for r in runs]
    assert len(set(slots)) == len(slots)
    assert all(s.microsecond == 0 for s in slots)
    assert sorted((r.started - r.slot).total_seconds() for r in runs)[len(runs) // 2] < 0.2


def test_a_run_on_demand_has_its_parameters_its_record_its_event_and_its_copy(place, runner):
    with place.kit() as kit:
        watch = kit.wire.watch(["jobs.finished"])
        run_id = kit.jobs.run("report", word="changed")
        event = next(e for e in watch if e.scope == "report")
        watch.close()
    assert event.payload["run_id"] == run_id
    run = place.run(run_id)
    assert (run.state, run.why, run.slot, run.parameters) == ("ok", "request", None, {"word": "changed"})
    copy = place.home.runs / run.output
    assert f"-changed-{run_id}" in copy.name
    assert "changed\\n" in copy.read_text()
    assert run.kernel.startswith("pid ")


def test_an_unknown_parameter_is_refused_when_it_is_asked(place, runner):
    with place.kit() as kit, pytest.raises(Invalid, match="it knows seconds, word, fatal"):
        kit.jobs.run("report", wrd="x")


def test_a_long_run_delays_no_slot(place, runner):
    with place.kit() as kit:
        run_id = kit.jobs.run("report", seconds=4.0)
    wait_for(lambda: place.run(run_id) and place.run(run_id).state == "ok")
    during = [
        r for r in place.runs("tick") if r.slot and place.run(run_id).started < r.slot < place.run(run_id).finished
    ]
    assert len(during) >= 3


def test_a_kernel_killed_in_mid_run_costs_that_run_only(place, runner):
    with place.kit() as kit:
        run_id = kit.jobs.run("report", seconds=0.5, fatal=True)
        run = wait_for(lambda: (r := place.run(run_id)) and r.state != "running" and r)
        assert (run.state, "the kernel ended while the cell ran" in run.error) == ("failed", True)
        assert f"-failed-{run_id}" in run.output
        again = kit.jobs.run("report")
    wait_for(lambda: place.run(again) and place.run(again).state == "ok")


def test_a_kernel_killed_while_it_evaluates_costs_no_slot_and_none_is_judged_twice(place, runner):
    mine = place.workspace / "scheduled" / "evaluate_monitors.ipynb"
    made = json.loads((SCHEDULED / mine.name).read_text())
    die = "import os\nif os.path.exists('die'): os.remove('die'), os.kill(os.getpid(), 9)"
    made["cells"].insert(2, made["cells"][2] | {"id": "die", "source": die})
    mine.write_text(json.dumps(made))
    place.schedule.write_text(SCHEDULE + EVALUATE)
    try:
        with place.kit() as kit:
            wait_for(lambda: len(kit.sql("select 1 from slots where evaluated_by = 'notebook'")) >= 2)
            (place.workspace / "die").touch()
            killed = wait_for(lambda: [r for r in place.runs("evaluate_monitors") if r.state == "failed"])[0]
            after = "select 1 from slots where evaluated_by = 'notebook' and slot > $slot"
            wait_for(lambda: len(kit.sql(after, slot=killed.slot.replace(tzinfo=None))) >= 2)
            rows = [*kit.sql("select slot, evaluated_by from slots order by slot")]
    finally:
        place.schedule.write_text(SCHEDULE)
    assert "DeadKernelError" in killed.error
    judged = [row["evaluated_by"] for row in rows if row["slot"].replace(tzinfo=UTC) == killed.slot]
    assert judged == ["hub"]
    assert {(b["slot"] - a["slot"]).total_seconds() for a, b in pairwise(rows)} == {2.0}  # none missed, none twice


def test_killed_it_takes_its_kernels_along_and_the_next_one_closes_its_runs(place):
    first = place.runner()
    with place.kit() as kit:
        run_id = kit.jobs.run("report", seconds=60.0)
    wait_for(lambda: place.run(run_id))
    kernels = wait_for(lambda: len(found := kernels_of(first.pid)) >= 2 and found)
    (sockets,) = (place.workspace.parent / "ckkit").glob("*.k")
    first.send_signal(signal.SIGKILL)
    first.wait()
    wait_for(lambda: all_gone(kernels), 5)
    assert list(sockets.iterdir())  # nobody could tidy them
    time.sleep(2.5)  # slots go by
    died = datetime.now(UTC)
    second = place.runner()
    run = wait_for(lambda: (r := place.run(run_id)) and r.state != "running" and r)
    assert (run.state, run.error) == ("failed", "the runner ended while it ran")
    caught_up = wait_for(lambda: [r for r in place.runs("tick") if r.why == "catch-up" and r.started > died])
    assert len(caught_up) == 1
    assert caught_up[0].missed >= 2
    second.terminate()
    assert second.wait(10) == 0
    assert not sockets.exists()


def test_told_to_stop_it_ends_what_runs_and_leaves_nothing(place):
    process = place.runner()
    with place.kit() as kit:
        run_id = kit.jobs.run("report", seconds=60.0)
    wait_for(lambda: "report" in place.said().get("running", ()))
    kernels = kernels_of(process.pid)
    began = time.monotonic()
    process.terminate()
    assert process.wait(15) == 0
    assert time.monotonic() - began < 10
    assert all_gone(kernels)
    run = place.run(run_id)
    assert (run.state, run.error) == ("failed", "the runner was stopped while it ran")
    assert not place.said()


def test_a_request_made_while_no_runner_ran_is_taken_by_the_next(place):
    with place.kit() as kit:
        run_id = kit.jobs.run("report", word="late")
    place.runner()
    wait_for(lambda: place.run(run_id) and place.run(run_id).state == "ok")


def test_a_second_runner_is_refused(place, runner):
    second = place.start("ckkit.jobs")
    assert second.wait(20) == 2
    assert (
        f"process {runner.pid} is the runner of {place.home.path} already"
        in (place.workspace.parent / "log").read_text()
    )
    assert runner.poll() is None


def test_a_schedule_that_goes_wrong_is_told_on_the_overview_and_stays_in_force(place, runner):
    place.schedule.write_text(SCHEDULE.replace("every", "evry"))
    try:
        with place.kit() as kit:
            said = wait_for(lambda: [n for n in kit.wire.command("notices.list", {}) if n["key"] == "schedule"])
            assert "schedule.toml:5: there is no key 'evry': did you mean 'every'?" in said[0]["text"]
            before = len(place.runs("tick"))
            wait_for(lambda: len(place.runs("tick")) >= before + 2)
    finally:
        place.schedule.write_text(SCHEDULE)
    with place.kit() as kit:
        wait_for(lambda: not [n for n in kit.wire.command("notices.list", {}) if n["key"] == "schedule"])


def test_runs_are_recorded_although_the_hub_is_restarted_meanwhile(place, runner):
    hub = next(p for p in place.started if "ckkit.hub" in p.args and p.poll() is None)
    slots = datetime.now(UTC)
    hub.terminate()
    hub.wait(20)
    wait_for(lambda: place.said().get("untold", 0) > 0)
    place.start_hub()
    wait_for(lambda: place.said().get("untold", 1) == 0, 30)
    runs = [r for r in place.runs("tick") if r.slot and r.slot > slots and r.state != "running"]
    gaps = [(a.slot - b.slot).total_seconds() for a, b in pairwise(runs)]
    assert runs and {r.state for r in runs} == {"ok"}
    assert max(gaps) <= 2  # a slot or so may be missed on a busy machine, and is counted; records are not


def test_a_run_whose_copy_cannot_be_kept_counts_as_failed_and_the_others_go_on(place, runner):
    folder = place.home.runs / "report"
    aside = folder.with_name("aside")
    folder.mkdir(exist_ok=True)
    folder.rename(aside)
    folder.write_text("no folder")
    try:
        with place.kit() as kit:
            run_id = kit.jobs.run("report")
        run = wait_for(lambda: (r := place.run(run_id)) and r.state != "running" and r)
    finally:
        folder.unlink()
        aside.rename(folder)
    assert (run.state, run.output) == ("failed", "")
    assert "its executed copy could not be kept" in run.error
    before = len(place.runs("tick"))
    wait_for(lambda: len(place.runs("tick")) > before)
