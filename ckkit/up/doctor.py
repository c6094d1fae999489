"""
`ckkit doctor`: is everything here that ckkit needs, and if not, what to do.

One function a question; each takes the world it looks at as an argument and returns what it found. None of them
needs a running hub but the last two, and none changes anything.
"""

import os
import shutil
import socket
import stat
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ckkit.errors import CkkitError
from ckkit.home import Home
from ckkit.up import ports, processes, state
from ckkit.views import units

OK, WARN, ERR = "ok", "warn", "err"
LOW_BYTES, FULL_BYTES = 2 << 30, 200 << 20
CLOCK_SLACK_S = 2.0
STALE_S = 300.0
NEWEST = "select epoch(max(ts)) as newest from results"


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer. `todo` says what to do about it, and is empty where all is well."""

    level: str
    about: str
    said: str
    todo: str = ""


def python(version: tuple[int, ...] = sys.version_info[:3], prefix: str = sys.prefix) -> Finding:
    text = ".".join(map(str, version))
    if version < (3, 11):
        return Finding(
            ERR, "Python", f"{text} in {prefix}", "ckkit needs 3.11 or newer: install it, remove .venv, `./ck`"
        )
    return Finding(OK, "Python", f"{text} in {prefix}")


def packages(lock: Path, installed: Callable[[str], str] = metadata.version) -> Finding:
    """Compare what is installed with requirements.lock."""
    if not lock.is_file():
        return Finding(OK, "packages", "installed without a clone: there is no requirements.lock to compare with")
    pinned = parse_lock(lock.read_text(encoding="utf-8"))
    missing, other = [], []
    for name, version in pinned.items():
        try:
            found = installed(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if found != version:
            other.append(f"{name} {found} instead of {version}")
    if missing or other:
        said = "; ".join(filter(None, [f"missing: {some(missing)}" if missing else "", some(other)]))
        return Finding(WARN, "packages", said, "`./ck setup` installs what requirements.lock says")
    return Finding(OK, "packages", f"{len(pinned)} as in requirements.lock")


def parse_lock(text: str, here: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Read the pinned versions of a lock; those for other systems, which have a marker, are left out.

    >>> parse_lock("aiohttp==3.14.5 \\\\\\n    --hash=sha256:0\\ncolorama==1 ; sys_platform == 'win32' \\\\\\n")
    {'aiohttp': '3.14.5'}
    """
    pinned = {}
    for line in text.splitlines():
        if line[:1].isalnum() and "==" in line and ";" not in line:
            name, _, version = line.rstrip(" \\").partition("==")
            pinned[name.strip()] = version.strip()
    return pinned


def some(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def home_rights(home: Home) -> Finding:
    mode = stat.S_IMODE(home.path.stat().st_mode)
    if mode & 0o077:
        todo = f"chmod 700 {home.path}"
        return Finding(ERR, "home", f"{home.path} can be read by others (mode {mode:o})", todo)
    try:
        home.all_tokens()
    except CkkitError as error:
        return Finding(ERR, "home", error.message, "as said")
    return Finding(OK, "home", f"{home.path} is its owner's alone")


def disk_space(folder: Path, free_bytes: int | None = None) -> Finding:
    free = shutil.disk_usage(folder).free if free_bytes is None else free_bytes
    said = f"{units.show(free, 'bytes')} free for {folder}"
    if free < FULL_BYTES:
        return Finding(ERR, "disk space", said, "make room: a commit that does not fit is not acknowledged")
    if free < LOW_BYTES:
        return Finding(WARN, "disk space", said, "make room soon; backups/ and runs/ in the home can go first")
    return Finding(OK, "disk space", said)


def workspace(env: Mapping[str, str] = os.environ, cwd: Path | None = None) -> Finding:
    from ckkit.config import Workspace

    try:
        found = Workspace.find(env, cwd)
        config = found.load()
    except CkkitError as error:
        return Finding(ERR, "workspace", error.message, "correct it; what runs keeps what it read before")
    return Finding(
        OK, "workspace", f"{found.path}: {len(config.nodes)} nodes, {len(config.checks)} checks written down"
    )


def taken_ports(home: Home, env: Mapping[str, str] = os.environ) -> Finding:
    """Say whether the ports that `up` would take are free, or ours."""
    from ckkit.config import Workspace
    from ckkit.up.plan import Options
    from ckkit.up.plan import ports as wanted_ports

    up = state.running(home)
    if up:
        return Finding(OK, "ports", "ours: " + ", ".join(f"{part.title} {part.port}" for part in up.parts if part.port))
    try:
        wanted = wanted_ports(Workspace.find(env).load(), Options())
        ports.settle(wanted)
    except CkkitError as error:
        return Finding(ERR, "ports", error.message, "as said")
    return Finding(OK, "ports", "free: " + ", ".join(f"{part} {port}" for part, port in wanted.items()))


def ping(
    proc: Path = Path("/proc"), gids: list[int] | None = None, binary: str | None = shutil.which("ping")
) -> Finding:
    """Say how ping checks can work: unprivileged sockets (icmp(7), ping_group_range), else the program `ping`."""
    groups = [os.getegid(), *os.getgroups()] if gids is None else gids
    try:
        low, high = map(int, (proc / "sys/net/ipv4/ping_group_range").read_text().split())
    except (OSError, ValueError):
        low, high = 1, 0
    if any(low <= gid <= high for gid in groups):
        return Finding(OK, "ping", "sockets for ICMP may be opened")
    sysctl = 'sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"'
    if binary:
        return Finding(OK, "ping", f"through {binary}; without a process a ping: {sysctl}")
    return Finding(
        WARN, "ping", "neither sockets for ICMP nor the program `ping`", f"{sysctl}, or install iputils-ping"
    )


def clock(synchronised: bool | None, zone: str) -> Finding:
    """Say how far the clock can be believed. `synchronised`: what the kernel says, None where it cannot be asked."""
    said = f"times are shown in UTC; this machine's zone is {zone}"
    if synchronised is False:
        return Finding(WARN, "clock", f"{said}; not synchronised", "timedatectl set-ntp true")
    return Finding(OK, "clock", said)


def results(newest: float | None, now: float) -> Finding:
    """Say whether results come in, and from which time: `newest` and `now` in seconds since 1970."""
    if newest is None:
        return Finding(WARN, "results", "none yet", "`ckkit checks`: is there a check? `ckkit logs hub`")
    age = now - newest
    if age < -CLOCK_SLACK_S:
        return Finding(
            ERR, "results", f"the newest is {-age:.0f} s in the future", "was the clock set back? see `date -u`"
        )
    if age > STALE_S:
        return Finding(WARN, "results", f"the newest is {age:.0f} s old", "`ckkit checks`, `ckkit logs hub`")
    return Finding(OK, "results", f"the newest is {max(age, 0):.0f} s old")


def synchronised() -> bool | None:
    """Ask the kernel whether its clock is synchronised (adjtimex(2)); None where it may not be asked."""
    import ctypes

    buffer = ctypes.create_string_buffer(512)  # struct timex; all zero: read, do not set
    answer = ctypes.CDLL(None).adjtimex(buffer)
    return None if answer < 0 else answer != 5  # TIME_ERROR


def zone() -> str:
    name = os.environ.get("TZ") or (Path("/etc/timezone").read_text().strip() if Path("/etc/timezone").exists() else "")
    return f"{name or time.tzname[0]} (UTC{time.strftime('%z')})"


def lock(home: Home) -> Finding:
    """Say who owns this home now, and whether something is left of an `up` that is gone."""
    up, last = state.running(home), state.read(home)
    if up:
        old = "" if up.code == state.code() else "; with older code"
        todo = "`./ck down && ./ck up`" if old else ""
        return Finding(WARN if old else OK, "running", f"up is process {up.who.pid}{old}", todo)
    left = [part for part in (last.parts if last else ()) if part.who and processes.lives(part.who)]
    if left:
        names = ", ".join(f"{part.title} ({part.who.pid})" for part in left if part.who)
        return Finding(WARN, "running", f"up is gone, but there is still {names}", "`ckkit down` ends them")
    return Finding(OK, "running", "nothing runs; nothing is left over")


def host_name(resolve: Callable[[str], str] = socket.gethostbyname, name: str = "localhost") -> Finding:
    try:
        found = resolve(name)
    except OSError as error:
        return Finding(
            ERR, "loopback", f"{name} cannot be resolved: {error}", "add `127.0.0.1 localhost` to /etc/hosts"
        )
    return Finding(OK, "loopback", f"{name} is {found}")


def versions(names: tuple[str, ...] = ("ckkit", "duckdb", "jupyterlab", "voila", "papermill", "plotly")) -> Finding:
    found = []
    for name in names:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} –")  # noqa: RUF001  a dash
    return Finding(OK, "versions", ", ".join(found))


def hub_says() -> list[Finding]:
    """Ask the running hub for what is wrong with monitors, for its newest result and its notices."""
    import ckkit

    try:
        with ckkit.open() as kit:
            problems = [*kit.monitors.problems(), *kit.wire.command("checks.problems", {})]
            newest: float | None = kit.sql(NEWEST)["newest"][0]
            notices = [str(row["text"]) for row in kit.hub.notices()]
    except CkkitError as error:
        return [Finding(ERR, "hub", error.message, "`ckkit logs hub`")]
    found = [Finding(ERR, "files", _problem(row), "correct it; what was read before is in force") for row in problems]
    found = found or [Finding(OK, "files", "monitors and checks can be read")]
    found.append(results(newest, time.time()))
    return found + (
        [Finding(WARN, "notices", text, "as said") for text in notices] or [Finding(OK, "hub", "no notices")]
    )


def _problem(row: Mapping[str, object]) -> str:
    return ":".join(str(row[key]) for key in ("file", "line") if row.get(key)) + f": {row.get('message', '')}"


def examine() -> list[Finding]:
    """Ask everything."""
    findings = [python(), packages(Path(__file__).parents[2] / "requirements.lock"), versions()]
    try:
        home = Home.find()
    except CkkitError as error:
        return [*findings, Finding(ERR, "home", error.message, "as said")]
    findings += [home_rights(home), disk_space(home.path), workspace(), lock(home), taken_ports(home), host_name()]
    findings += [ping(), clock(synchronised(), zone())]
    return findings + (hub_says() if state.running(home) else [])
