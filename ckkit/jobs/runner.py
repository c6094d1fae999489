"""
The runner: the process that runs scheduled notebooks, `python -m ckkit.jobs`.

One loop looks at the schedule, the clock and the requests, and starts runs, each in a
thread of its own; `plan.py` decides, this module does. One runner a home: it holds a
lock, because two would run every job twice.

Told to stop (SIGTERM, Ctrl-C), it starts nothing more, gives what runs a few seconds,
ends the kernels, and tells the hub how the runs ended. Killed, it takes its kernels
with it: they ask the system for that (`kernel.py`).
"""

import queue
import signal
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from ckkit.config import Home, Workspace
from ckkit.errors import CkkitError
from ckkit.jobs.archive import Archive
from ckkit.jobs.engine import WarmEngine
from ckkit.jobs.execution import Ended, execute
from ckkit.jobs.lock import only_runner, sockets
from ckkit.jobs.plan import Request, Start, starts, wake
from ckkit.jobs.pool import Pool
from ckkit.jobs.recorder import PATIENCE_S, Recorder
from ckkit.jobs.requests import Requests
from ckkit.jobs.schedulefile import ScheduleFile
from ckkit.jobs.triggers import Why
from ckkit.model import Run
from ckkit.protocols import Wire

log = structlog.get_logger(__name__)

LOOK = timedelta(seconds=1)  # how often the schedule's file is looked at, and the longest sleep
BEAT = timedelta(seconds=5)
PRUNE = timedelta(minutes=1)
GRACE_S = 5.0
TELL_S = 2.0


def utcnow() -> datetime:
    return datetime.now(UTC)


class Runner:
    """`run` works until `stop`. `connect` gives a wire to the hub."""

    def __init__(
        self,
        home: Home,
        workspace: Workspace,
        connect: Callable[[], Wire],
        *,
        clock: Callable[[], datetime] = utcnow,
        spare: bool = True,
    ) -> None:
        self.home, self.workspace = home, workspace
        self._connect, self._clock, self._spare = connect, clock, spare
        self._file = ScheduleFile(workspace.scheduled / "schedule.toml")
        self._archive = Archive(home.runs)
        self._done: dict[str, datetime] = {}
        self._running: dict[str, threading.Thread] = {}
        self._requests: list[Request] = []
        self._wakes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._newest: datetime | None = None
        self._said: dict[str, object] = {}
        self._beaten = self._pruned = datetime.min.replace(tzinfo=UTC)

    def stop(self, *_: object) -> None:
        """End the runner. May be called by a signal handler: a SimpleQueue is safe in one, a lock is not."""
        self._wakes.put("stop")

    def run(self) -> None:
        """
        Run the schedule until `stop`.

        Raises:
            Taken: another runner has this home.
        """
        with only_runner(self.home):
            self._started = self._clock()
            self._pool = Pool(sockets(self.home), cwd=self.workspace.path, env=self._environment(), spare=self._spare)
            WarmEngine.use(self._pool)
            self._recorder = Recorder(self._connect)
            try:
                self._pool.warm_up()
                if self._greet():
                    self._follow()
            finally:
                self._end()

    def _follow(self) -> None:
        requests = Requests(self._connect, self._asked)
        try:
            while not self._stopping.is_set():
                self._look(self._clock())
                self._sleep()
        finally:
            requests.close()

    def _greet(self) -> bool:
        """Wait for the hub; close the runs of a runner that died, and learn what was run last. False when stopped."""
        tries = 0
        while not self._stopping.is_set():
            self._beat(self._clock())
            try:
                wire = self._connect()
                try:
                    wire.command("runs.close", {"error": "the runner ended while it ran"})
                    for job, slot in wire.command("runs.slots", {}).items():
                        self._done[job] = datetime.fromisoformat(slot)
                finally:
                    wire.close()
                return True
            except (CkkitError, OSError) as error:
                if tries == 0:
                    log.info("waiting for the hub", why=str(error))
                self._sleep(PATIENCE_S[min(tries, 3)])
                tries += 1
        return False

    def _look(self, now: datetime) -> None:
        """One turn: follow the schedule's file, start what is due, say that we are alive, tidy."""
        if self._file.refresh():
            self._tell_schedule()
        jobs = self._file.jobs
        for name in jobs:
            self._done.setdefault(name, now)  # a job that is new has missed nothing
        with self._lock:
            self._drop_unknown(now)
            chosen = starts(jobs, self._done, list(self._running), self._requests, now)
            for start in chosen:
                if start.request:
                    self._requests.remove(start.request)
                if start.due:
                    self._done[start.job.name] = start.due.slot
                self._begin(start, now)
        self._beat(now)
        self._prune(now)

    def _sleep(self, longest: float = LOOK.total_seconds()) -> None:
        """Wait for the next slot, or for something to happen."""
        now = self._clock()
        slot = wake(self._file.jobs, now)
        left = longest if slot is None else min(longest, (slot - now).total_seconds())
        try:
            while (word := self._wakes.get(timeout=max(0.0, left))) != "stop":
                if self._wakes.empty():
                    return
            log.info("stopping", said=word)
            self._stopping.set()
        except queue.Empty:
            return

    def _asked(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)
        self._wakes.put("request")

    def _drop_unknown(self, now: datetime) -> None:
        """Answer the requests for jobs that are not in the schedule any more."""
        for request in [r for r in self._requests if r.job not in self._file.jobs]:
            self._requests.remove(request)
            run = Run(
                run_id=request.run_id,
                job=request.job,
                notebook="",
                state="running",
                started=now,
                parameters=request.parameters,
                why=Why.REQUEST,
            )
            self._recorder.started(run)
            gone = f"there is no job {request.job!r} in the schedule"
            self._recorder.ended(replace(run, state="failed", finished=now, error=gone))

    def _begin(self, start: Start, now: datetime) -> None:
        name = start.job.name
        thread = threading.Thread(target=self._run_one, args=(start, now), name=f"run {name}", daemon=True)
        self._running[name] = thread
        thread.start()

    def _run_one(self, start: Start, now: datetime) -> None:
        run = start.run(uuid.uuid4().hex[:12], now)
        self._recorder.started(run)
        try:
            ended, output = self._run_and_keep(start, run)
        except OSError as error:  # a full disk: the run counts as failed, the others go on
            ended, output = Ended("failed", f"its executed copy could not be kept: {error}"), ""
        now = self._clock()
        self._recorder.ended(
            replace(run, state=ended.state, error=ended.error, kernel=ended.kernel, output=output, finished=now)
        )
        if ended.error:
            log.warning("run failed", job=run.job, run=run.run_id, state=ended.state, error=ended.error)
        with self._lock:
            self._running.pop(run.job, None)
            self._newest = now
        self._wakes.put("ended")

    def _run_and_keep(self, start: Start, run: Run) -> tuple[Ended, str]:
        copy = self._archive.start(run.job, run.slot or run.started, run.run_id)
        ended = execute(start.job, run, copy)
        if ended.state != "ok" and self._stopping.is_set():
            ended = replace(ended, state="failed", error="the runner was stopped while it ran")
        return ended, self._archive.finish(copy, ended.kind)

    def _tell_schedule(self) -> None:
        problem = self._file.problem
        if problem:
            log.error("schedule not taken", why=str(problem))
        else:
            log.info("schedule", jobs=list(self._file.jobs))
        self._recorder.tell("jobs.notice", {"problem": str(problem) if problem else None})

    def _beat(self, now: datetime) -> None:
        """Say that we are alive, and with what: every few seconds, and when it changes."""
        problem = self._file.problem
        facts = {
            "jobs": len(self._file.jobs),
            "running": sorted(self._running),
            "problem": str(problem) if problem else None,
        }
        if facts == self._said and abs(now - self._beaten) < BEAT:
            return
        self._said, self._beaten = facts, now
        self.home.announce(
            "runner",
            started=self._started.isoformat(),
            beat=now.isoformat(),
            newest=self._newest.isoformat() if self._newest else None,
            kernels=self._pool.pids,
            untold=self._recorder.waiting,
            **facts,
        )

    def _prune(self, now: datetime) -> None:
        if abs(now - self._pruned) < PRUNE:
            return
        self._pruned = now
        try:
            gone = self._archive.prune(now, {name: job.keep for name, job in self._file.jobs.items()})
        except OSError as error:
            log.warning("executed copies not tidied", why=str(error))
            return
        if gone:
            log.info("executed copies removed", copies=len(gone))

    def _environment(self) -> dict[str, str]:
        """What a notebook needs to find the same hub and workspace as its runner."""
        return {"CKKIT_HOME": str(self.home.path), "CKKIT_WORKSPACE": str(self.workspace.path)}

    def _end(self) -> None:
        self._stopping.set()
        end = time.monotonic() + GRACE_S
        for thread in list(self._running.values()):
            thread.join(timeout=max(0.0, end - time.monotonic()))
        self._pool.close()
        WarmEngine.use(None)
        for thread in list(self._running.values()):
            thread.join(timeout=1.0)
        if not self._recorder.flush(TELL_S):
            log.warning("not told to the hub", commands=self._recorder.waiting)
        self._recorder.close()
        self.home.withdraw("runner")
        log.info("stopped")


def main() -> int:
    """Run the runner of CKKIT_HOME and CKKIT_WORKSPACE until SIGTERM or Ctrl-C."""
    from ckkit.wire.http_client import HttpWire

    try:
        home, workspace = Home.find(), Workspace.find()
        runner = Runner(home, workspace, lambda: HttpWire.connect(home))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, runner.stop)
        runner.run()
    except CkkitError as error:
        log.error("runner not started", why=str(error))
        return 2
    return 0
