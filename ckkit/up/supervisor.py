"""
The loop of `ckkit up`: start what should run, look after it, stop it in reverse order.

One thread, no callbacks: signals are blocked and waited for, so each turn of the loop sees them where it wants to.
What to do with a part is decided in `backoff`; how people see it, in `screen`.
"""

import os
import signal
import socket
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from ckkit.home import Home
from ckkit.up import backoff, lab, logs, processes
from ckkit.up import plan as plans
from ckkit.up.backoff import Course, Do
from ckkit.up.journal import Journal
from ckkit.up.probes import healthy
from ckkit.up.processes import Identity, Popen
from ckkit.up.screen import Screen
from ckkit.up.state import FAILED, READY, STARTING, STOPPING, WAITING, PartState, UpState, announce

ASKED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
WAITED_FOR = {signal.SIGCHLD, *ASKED}
STOP_PATIENCE_S = 15.0
LEFT_PATIENCE_S = 2.0  # for what a part left behind
PROBE_EVERY_S = 5.0
STARTING_TURN_S, TURN_S = 0.1, 1.0
LOGS_EVERY_S = 60.0


class Kept:
    """One part: its plan, its course, its process."""

    def __init__(self, part: plans.Part) -> None:
        self.part = part
        self.course = Course(essential=part.essential)
        self.child: Popen | None = None
        self.who: Identity | None = None
        self.probe_at = 0.0
        self.stopping = False

    def state(self, now: float, ready: bool) -> PartState:
        course = self.course
        verdict = backoff.decide(course, now, ready=ready)
        word = STARTING if course.started_at is not None else WAITING
        word = READY if course.healthy_since is not None else word
        # The reason of one that waits counts down; as a fact it is the one sentence of why, and when.
        reason = verdict.reason if word != WAITING or not course.deaths else _again(course)
        return PartState(
            name=self.part.name,
            title=self.part.title,
            who=self.who,
            state=STOPPING if self.stopping else word,
            reason=reason,
            deaths=course.deaths,
            ready_s=course.ready_s,
            url=self.part.url,
            port=self.part.port,
        )


def _again(course: Course) -> str:
    return f"{course.why}; starts again after {backoff.delay_s(course.deaths):g} s"


class Supervisor:
    def __init__(self, plan: plans.Plan, home: Home, screen: Screen, journal: Journal) -> None:
        self.plan, self.home, self.screen, self.journal = plan, home, screen, journal
        self.kept = [Kept(part) for part in plan.parts]
        self.began, self.started = time.monotonic(), datetime.now(UTC)
        self.who = processes.identify(os.getpid()) or Identity(os.getpid(), 0)
        self.took_s: float | None = None
        self.state, self.error = STARTING, ""
        self._said: UpState | None = None
        self._logs_at = self.began + LOGS_EVERY_S

    def run(self) -> int:
        """Supervise until asked to stop; 0, or 2 where the hub would not start."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
        self.journal.say("up starts", pid=self.who.pid, version=self.plan.version, workspace=self.plan.workspace)
        for kept in self.kept:
            logs.rotate(self._log(kept.part.name), logs.START_NEW_BYTES)
        while self.turn(time.monotonic()):
            pause = (
                TURN_S if self.state == READY and all(k.course.healthy_since for k in self.kept) else STARTING_TURN_S
            )
            asked = signal.sigtimedwait(WAITED_FOR, pause)
            if asked is not None and asked.si_signo in ASKED:
                self.journal.say("asked to stop", signal=signal.Signals(asked.si_signo).name, by=asked.si_pid or None)
                break
        return self.end()

    def turn(self, now: float) -> bool:
        """Look after every part once. Says whether to go on."""
        for kept in self.kept:
            self._reap(kept, now)
            if not self._look_after(kept, now):
                return False
        self._renew_logs(now)
        if self.took_s is None and all(kept.course.healthy_since is not None for kept in self.kept):
            self.took_s, self.state = now - self.began, READY
            self.journal.say("up", took_s=self.took_s)
            notify("READY=1")
        self._publish(now)
        return True

    def _look_after(self, kept: Kept, now: float) -> bool:
        verdict = backoff.decide(kept.course, now, ready=self._ready_for(kept))
        if verdict.do is Do.GIVE_UP:
            self._fail(kept, verdict.reason)
            return False
        if verdict.do is Do.START:
            self._start(kept, now, verdict.reason)
        elif verdict.do is Do.END:
            self.journal.say("part hangs", part=kept.part.name, why=verdict.reason)
            self._stop([kept])
            kept.course = backoff.died(kept.course, time.monotonic(), f"was ended: {verdict.reason}")
            kept.child = kept.who = None
        elif kept.child and now >= kept.probe_at:
            self._probe(kept, now)
        return True

    def _ready_for(self, kept: Kept) -> bool:
        return all(k.course.ever_healthy for k in self.kept if k.part.name in kept.part.after)

    def _start(self, kept: Kept, now: float, reason: str) -> None:
        part = kept.part
        if part.name == "lab":
            lab.prepare(self.home, Path(self.plan.workspace), part.port)
        kept.course = backoff.started(kept.course, now)
        kept.probe_at = now
        env = plans.environment(self.plan, part)
        try:
            kept.child = processes.start(part.argv, cwd=Path(self.plan.workspace), env=env, log=self._log(part.name))
        except OSError as error:
            kept.course = backoff.died(kept.course, now, f"cannot be started: {error}")
            self.journal.say("part cannot be started", part=part.name, error=str(error))
            return
        kept.who = processes.identify(kept.child.pid)
        if part.name == "lab":
            self.home.announce("lab", pid=kept.child.pid, url=part.url, started=datetime.now(UTC).isoformat())
        self.journal.say("part started", part=part.name, pid=kept.child.pid, why=reason)

    def _probe(self, kept: Kept, now: float) -> None:
        assert kept.child
        if healthy(kept.part.probe, kept.child.pid, self.home):
            first = kept.course.healthy_since is None
            kept.course = backoff.answered(kept.course, time.monotonic())
            kept.probe_at = now + PROBE_EVERY_S
            if first:
                self.journal.say("part ready", part=kept.part.name, took_s=kept.course.ready_s)

    def _reap(self, kept: Kept, now: float) -> None:
        code = kept.child.poll() if kept.child else None
        if code is None:
            return
        kept.course = backoff.died(kept.course, now, backoff.how(code))
        self.journal.say(
            "part died",
            part=kept.part.name,
            code=code,
            deaths=kept.course.deaths,
            again_in_s=backoff.delay_s(kept.course.deaths),
        )
        self._forget(kept)

    def _forget(self, kept: Kept) -> None:
        """A part that was killed could not take back where it answers."""
        facts = self.home.part(kept.part.name)
        if facts and kept.child and facts.get("pid") == kept.child.pid:
            (self.home.run / f"{kept.part.name}.json").unlink(missing_ok=True)
        kept.child = kept.who = None

    def _fail(self, kept: Kept, reason: str) -> None:
        last = "\n".join(f"    {logs.readable(line)}" for line in logs.tail(self._log(kept.part.name), 4))
        self.error = (
            f"the {kept.part.title} does not start: {reason}. Its last words:\n{last}\n"
            f"  all of them: ckkit logs {kept.part.name}"
        )
        self.journal.say("gave up", part=kept.part.name, why=reason)

    def end(self) -> int:
        """Stop the parts in reverse order: those that need others first."""
        notify("STOPPING=1")
        self.state = STOPPING
        for wave in _waves(self.kept):
            for kept in wave:
                kept.stopping = kept.child is not None
            self._publish(time.monotonic())
            self._stop(wave)
            for kept in wave:
                self._forget(kept)
        lab.tidy(self.home)
        self.journal.say("up ended", error=bool(self.error) or None)
        if self.error:
            self.state = FAILED
            self._publish(time.monotonic())
            return 2
        self.home.withdraw("up")
        return 0

    def _stop(self, some: Iterable[Kept]) -> None:
        """Ask them to end, wait with patience, kill what is left. Asked again (Ctrl-C twice), it kills at once."""
        running = [kept for kept in some if kept.child and kept.child.poll() is None]
        families = [who for kept in running if kept.child for who in processes.descendants(kept.child.pid)]
        for kept in running:
            if kept.child:
                kept.child.terminate()
        until = time.monotonic() + STOP_PATIENCE_S
        while any(kept.child and kept.child.poll() is None for kept in running) and time.monotonic() < until:
            asked = signal.sigtimedwait(WAITED_FOR, 0.1)
            if asked is not None and asked.si_signo in ASKED:
                until = 0.0
        for kept in running:
            if kept.child and kept.child.poll() is None:
                self.journal.say("part killed", part=kept.part.name, why="it did not end when asked")
                families += processes.descendants(kept.child.pid)
                kept.child.kill()
                kept.child.wait()
        _end_left(families)

    def _renew_logs(self, now: float) -> None:
        if now < self._logs_at:
            return
        self._logs_at = now + LOGS_EVERY_S
        for name in ("up", *(kept.part.name for kept in self.kept)):
            logs.cut(self._log(name))

    def _publish(self, now: float) -> None:
        """Tell those who look, when there is something new."""
        up = UpState(
            who=self.who,
            state=self.state,
            started=self.started,
            version=self.plan.version,
            code=self.plan.code,
            workspace=self.plan.workspace,
            took_s=self.took_s,
            error=self.error,
            parts=tuple(kept.state(now, self._ready_for(kept)) for kept in self.kept),
        )
        if up != self._said:
            announce(self.home, up)
            self._said = up
        self.screen.show(up, now - self.began)

    def _log(self, part: str) -> Path:
        return self.home.logs / f"{part}.log"


def _waves(kept: list[Kept]) -> list[list[Kept]]:
    """Those that need others, then those that others need; each wave stops at once."""
    needed = {name for k in kept for name in k.part.after}
    return [
        [k for k in reversed(kept) if k.part.name not in needed],
        [k for k in reversed(kept) if k.part.name in needed],
    ]


def _end_left(families: Iterable[Identity]) -> None:
    """Kernels and other children of a part should have ended with it: what did not is given a moment, then killed."""
    until = time.monotonic() + LEFT_PATIENCE_S
    left = [who for who in families if processes.lives(who)]
    for who in left:
        processes.send(who, signal.SIGTERM)
    while left and time.monotonic() < until:
        time.sleep(0.02)
        left = [who for who in left if processes.lives(who)]
    processes.kill_all(left)


def notify(text: str) -> None:
    """Tell systemd, where it started us (see sd_notify(3)); elsewhere nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(text.encode(), name)
        except OSError:
            return
