"""
Processes by what cannot be mistaken: their number together with when they started.

A number alone is used again by the system; a file that names one may be days old. Read from /proc (see man 5 proc).
"""

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PR_SET_PDEATHSIG = 1
TICKS = os.sysconf("SC_CLK_TCK")

Popen = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Identity:
    """One process. `created` is in clock ticks since the machine started."""

    pid: int
    created: int


@dataclass(frozen=True, slots=True)
class Stat:
    """What /proc/PID/stat tells of a process."""

    parent: int
    state: str
    created: int


def parse_stat(text: str) -> Stat:
    """
    Read the text of /proc/PID/stat. The name, in parentheses, may itself hold spaces and parentheses.

    >>> parse_stat("7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 4711 0 0")
    Stat(parent=1, state='S', created=4711)
    """
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(parent=int(fields[1]), state=fields[0], created=int(fields[19]))


def stat_of(pid: int, proc: Path = PROC) -> Stat | None:
    """Return what the system says of a process, or None where there is none of that number."""
    try:
        return parse_stat((proc / str(pid) / "stat").read_text())
    except (OSError, ValueError):
        return None


def identify(pid: int) -> Identity | None:
    """Return the identity of the process that has this number now."""
    found = stat_of(pid)
    return Identity(pid, found.created) if found else None


def lives(who: Identity) -> bool:
    """Say whether it still runs; a zombie, which only waits for its parent, does not."""
    found = stat_of(who.pid)
    return found is not None and found.created == who.created and found.state not in "ZX"


def uptime_s(who: Identity, proc: Path = PROC) -> float:
    """Return for how many seconds it has been running."""
    since_boot = float((proc / "uptime").read_text().split()[0])
    return max(0.0, since_boot - who.created / TICKS)


def descendants(pid: int, proc: Path = PROC) -> list[Identity]:
    """Return children, their children and so on, parents before children."""
    children: dict[int, list[Identity]] = {}
    for entry in proc.iterdir():
        found = stat_of(int(entry.name), proc) if entry.name.isdigit() else None
        if found:
            children.setdefault(found.parent, []).append(Identity(int(entry.name), found.created))
    known, at = list(children.get(pid, [])), 0
    while at < len(known):
        known += children.get(known[at].pid, [])
        at += 1
    return known


def pss_bytes(pid: int, proc: Path = PROC) -> int:
    """Return the proportional set size: its own memory, and its share of what it has in common with others."""
    try:
        lines = (proc / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def send(who: Identity, number: signal.Signals) -> bool:
    """Send a signal to that process and no other. Says whether it was there to get it."""
    if not lives(who):
        return False
    try:
        os.kill(who.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_all(them: Iterable[Identity]) -> None:
    for who in them:
        send(who, signal.SIGKILL)


def start(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Popen:
    """
    Start a child that writes into `log` and gets SIGTERM when this process dies, however it dies.

    It has a session of its own, so that Ctrl-C in the terminal reaches the supervisor only, which stops all in order.
    Call it from the main thread of a process without others: the signal comes when the *thread* that forked ends.
    """
    parent = os.getpid()
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _die_with(parent),  # safe: this process has no other threads
        )


_libc = ctypes.CDLL(None, use_errno=True)


def _die_with(parent: int) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the supervisor blocks signals to wait for them; a child must not
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
