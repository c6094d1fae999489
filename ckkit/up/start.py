"""
`ckkit up` and `ckkit down`, as the command line calls them.

What makes it one: an exclusive flock on home/run/up.lock. Who gets it starts; the lock then goes along, as an open
file, into the process that supervises, and ends with it, however it ends. Who does not get it waits until the
other is ready, and says where to go.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ckkit.errors import CkkitError, TimedOut
from ckkit.home import Home
from ckkit.up import plan as plans
from ckkit.up import ports, processes, screen, state
from ckkit.up.plan import Options, Plan
from ckkit.up.processes import Identity
from ckkit.up.screen import Screen
from ckkit.up.state import FAILED, READY, STOPPING, UpState

PATIENCE_S = 180.0
DOWN_PATIENCE_S = 60.0
LOOK_EVERY_S = 0.05


def up(options: Options, *, detach: bool = False) -> int:
    """
    Start everything, or say where what runs already is found. 0: it is up (or, in the foreground, it was).

    In the foreground this process becomes the supervisor and returns no more.

    Raises:
        ConfigError: no workspace, or a wrong ckkit.toml. Taken: a port. TimedOut: not ready in time.
        CkkitError: a part would not start, with its last words.
    """
    home = Home.find()
    while True:
        lock = acquire(home)
        if lock is None:
            if _join(home, Screen(home, foreground=False)):
                return 0
            continue  # it ended meanwhile: our turn
        try:
            path = prepare(home, options)
        except BaseException:
            os.close(lock)
            raise
        return _detach(home, path, lock) if detach else _become(path, lock)


def acquire(home: Home) -> int | None:
    """Return the lock as an open file, or None where another has it."""
    handle = os.open(home.run / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def prepare(home: Home, options: Options) -> Path:
    """End what an earlier `up` left, settle the ports, write the plan; with the lock in hand."""
    from ckkit.config import Workspace

    workspace = Workspace.find()
    config = workspace.load()
    end_leftovers(home)
    settled = ports.settle(plans.ports(config, options))
    from importlib.metadata import version

    plan = plans.make(home, workspace, settled, version=version("ckkit"), code=state.code())
    path = home.run / "plan.json"
    plan.save(path)
    return path


def end_leftovers(home: Home, patience_s: float = 10.0) -> list[int]:
    """End the parts of a supervisor that is gone. They get SIGTERM as it dies; this waits for it, and then kills."""
    last = state.read(home)
    left = [part.who for part in last.parts if part.who] if last else []
    left = [who for who in left if processes.lives(who)]
    for who in left:
        processes.send(who, signal.SIGTERM)
    until = time.monotonic() + patience_s
    while any(processes.lives(who) for who in left) and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
    processes.kill_all(left)
    return [who.pid for who in left]


def _arguments(plan: Path) -> list[str]:
    return [sys.executable, "-P", "-m", "ckkit.up", str(plan)]


def _become(plan: Path, lock: int) -> int:
    """Turn into the supervisor: it holds none of what was imported to get here."""
    os.set_inheritable(lock, True)
    sys.stdout.flush()
    os.execv(sys.executable, _arguments(plan))


def _detach(home: Home, plan: Path, lock: int) -> int:
    with open(os.devnull, "r+b") as nothing, (home.logs / "up.log").open("ab") as log:
        child = subprocess.Popen(
            _arguments(plan),
            stdin=nothing,
            stdout=nothing,
            stderr=log,
            cwd=home.path,
            start_new_session=True,
            pass_fds=[lock],
        )
    os.close(lock)
    who = processes.identify(child.pid) or Identity(child.pid, -1)
    ended = lambda: child.poll() is not None  # noqa: E731  a name for a question
    if not _watch(home, who, Screen(home, foreground=False), ended):
        raise CkkitError("the supervisor ended as soon as it was started; its log: `ckkit logs up`")
    return 0


def _join(home: Home, shown: Screen) -> bool:
    """Wait for the one that has the lock, and show it. False: it ended before it was ready."""
    began = time.monotonic()
    while (current := state.running(home)) is None:
        if (lock := acquire(home)) is not None:
            os.close(lock)
            return False
        if time.monotonic() - began > PATIENCE_S:
            raise TimedOut(
                f"another `ckkit up` has had {home.run / 'up.lock'} for {PATIENCE_S:.0f} s without a word: "
                "look for it with `pgrep -af ckkit`, end it, and try again"
            )
        time.sleep(LOOK_EVERY_S)
    shown.say(f"ckkit runs already: process {current.who.pid}, since {current.started:%Y-%m-%d %H:%M:%S} UTC")
    who = current.who
    if not _watch(home, who, shown, lambda: not processes.lives(who)):
        return False
    if current.code != state.code():
        shown.say("  it runs with older code than this: `./ck down && ./ck up` takes the new")
    return True


def _watch(home: Home, who: Identity, shown: Screen, ended: Callable[[], bool]) -> bool:
    """Show the progress of a supervisor until it is ready. False: it ended without a word."""
    began = time.monotonic()
    while True:
        over = ended()  # asked before its file is read: what it said last is there then
        current = _of(home, who)
        if current and current.state == FAILED:
            raise CkkitError(current.error)
        if over or (current and current.state == STOPPING):
            return False
        if current:
            shown.show(current, time.monotonic() - began)
            if current.state == READY:
                return True
        if time.monotonic() - began > PATIENCE_S:
            raise TimedOut(_late(current))
        time.sleep(LOOK_EVERY_S)


def _of(home: Home, who: Identity) -> UpState | None:
    current = state.read(home)
    return current if current and current.who.pid == who.pid else None


def _late(up: UpState | None) -> str:
    slow = [part for part in up.parts if part.state != READY] if up else []
    said = "; ".join(f"{part.title}: {part.reason or part.state} (ckkit logs {part.name})" for part in slow)
    return f"not everything is up after {PATIENCE_S:.0f} s, it goes on trying. {said or 'Its log: `ckkit logs up`'}"


def down(say: Callable[[str], None]) -> int:
    """Stop what `up` started, and wait until it has ended. 0 also where nothing runs."""
    home = Home.find()
    current = _current(home)
    if current is None:
        left = end_leftovers(home)
        say(f"ended what an earlier `up` left: {', '.join(map(str, left))}" if left else "ckkit does not run")
        return 0
    began = time.monotonic()
    processes.send(current.who, signal.SIGTERM)
    while processes.lives(current.who):
        if time.monotonic() - began > DOWN_PATIENCE_S:
            raise TimedOut(
                f"process {current.who.pid} has not ended in {DOWN_PATIENCE_S:.0f} s: see `ckkit logs up`, "
                f"then `kill -9 {current.who.pid}` and `ckkit down` again"
            )
        time.sleep(LOOK_EVERY_S)
    end_leftovers(home)
    names = screen.listed([part.title for part in current.parts])
    say(f"stopped {names} in {time.monotonic() - began:.1f} s")
    return 0


def _current(home: Home) -> UpState | None:
    """Return the supervisor that runs; of one that is just starting, as soon as it has said so."""
    until = time.monotonic() + DOWN_PATIENCE_S
    while (current := state.running(home)) is None and time.monotonic() < until:
        if (lock := acquire(home)) is not None:
            os.close(lock)
            return None
        time.sleep(LOOK_EVERY_S)
    return current


__all__ = ["Plan", "acquire", "down", "end_leftovers", "prepare", "up"]
