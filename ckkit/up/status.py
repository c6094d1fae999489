"""
`ckkit status`: what runs, where, how well, how large, and how old the newest thing is that it did.

It looks at processes and files, and asks the hub; each of them may be missing, and then the table says that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ckkit.durations import show_duration
from ckkit.errors import CkkitError
from ckkit.home import Home
from ckkit.up import processes, state
from ckkit.up.processes import Identity
from ckkit.up.state import READY, WAITING, PartState, UpState
from ckkit.views import tables, units
from ckkit.views.tables import Cell, Column, Table

if TYPE_CHECKING:
    from ckkit.kit.kit import Kit

# As a number: a time would be turned into one by way of pandas, which takes longer than everything else here.
NEWEST = "select epoch(max(ts)) as newest from results where ts > now()::timestamp - interval 1 day"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """One part. Memory is PSS, of its children too; `newest` is the time of the newest thing that it did."""

    name: str
    pid: int | None
    health: str
    address: str
    uptime_s: float | None
    memory_bytes: int
    processes: int
    newest: datetime | None
    did: str = ""
    deaths: int = 0

    @property
    def fine(self) -> bool:
        return self.health == READY


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that `ckkit status` shows. `problems` are what makes it end with code 1."""

    now: datetime
    running: bool
    version: str
    workspace: str
    home: str
    home_bytes: int
    store_bytes: int
    parts: tuple[PartStatus, ...]
    problems: tuple[str, ...] = ()
    tokens: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        width = max((len(title) for title, _ in self.tokens), default=0)
        addresses = ["", *(f"  {title.ljust(width)}  {url}" for title, url in self.tokens)] if self.tokens else []
        problems = ["", *(f"! {problem}" for problem in self.problems)] if self.problems else []
        return "\n".join([*self._head(), "", repr(table(self)), *addresses, *problems])

    def _head(self) -> list[str]:
        size = f"{units.show(self.home_bytes, 'bytes')}, of it the store {units.show(self.store_bytes, 'bytes')}"
        memory = units.show(sum(part.memory_bytes for part in self.parts), "bytes")
        count = sum(part.processes for part in self.parts)
        return [
            f"ckkit {self.version}" if self.running else "ckkit does not run: `./ck up` starts it",
            *([f"  workspace  {self.workspace}"] if self.workspace else []),
            f"  home       {self.home}  ({size})",
            *([f"  memory     {memory} in {count} processes"] if self.running else []),
        ]


def look(*, tokens: bool = False, now: datetime | None = None) -> Status:
    """Look at everything once. `tokens`: tell also the addresses that have them in them."""
    home, now = Home.find(), now or datetime.now(UTC)
    up = state.running(home)
    newest, problems = _ask_the_hub() if up else ({}, [])
    parts: list[PartStatus] = [_supervisor(up)] if up else []
    parts += [_part(home, part, newest) for part in (up.parts if up else ())]
    return Status(
        now=now,
        running=up is not None,
        version=up.version if up else _version(),
        workspace=up.workspace if up else "",
        home=str(home.path),
        home_bytes=size_bytes(home.path),
        store_bytes=size_bytes(home.store.parent),
        parts=tuple(parts),
        problems=(*_problems(up), *problems),
        tokens=tuple(_addresses(home, up)) if tokens and up else (),
    )


def _version() -> str:
    from importlib.metadata import version

    return version("ckkit")


def _problems(up: UpState | None) -> list[str]:
    if up is None:
        return []
    found = [f"{part.title}: {part.reason} (ckkit logs {part.name})" for part in up.parts if part.state != READY]
    if up.code != state.code():
        found.append("it runs with older code than this: `./ck down && ./ck up` takes the new")
    return found


def _ask_the_hub() -> tuple[dict[str, Any], list[str]]:
    """Return the newest thing of the parts that only the hub knows, and its notices."""
    import ckkit

    try:
        with ckkit.open() as kit:
            notices = [str(notice["text"]) for notice in kit.hub.notices()]
            return {"hub": ("result", _newest_result(kit)), "runner": ("run", _newest_run(kit))}, notices
    except CkkitError as error:
        return {}, [error.message]


def _newest_result(kit: "Kit") -> datetime | None:
    found: float | None = kit.sql(NEWEST)["newest"][0]
    return datetime.fromtimestamp(found, UTC) if found else None


def _newest_run(kit: "Kit") -> datetime | None:
    return next((run.finished or run.started for run in kit.jobs.runs(limit=1)), None)


def _supervisor(up: UpState) -> PartStatus:
    return PartStatus(
        name="up",
        pid=up.who.pid,
        health=up.state,
        address="",
        uptime_s=processes.uptime_s(up.who),
        memory_bytes=processes.pss_bytes(up.who.pid),
        processes=1,
        newest=None,
    )


def _part(home: Home, part: PartState, newest: Mapping[str, Any]) -> PartStatus:
    family = [part.who, *processes.descendants(part.who.pid)] if part.who else []
    did, at = newest.get(part.name) or _last_written(home, part.name)
    return PartStatus(
        name=part.title,
        pid=part.who.pid if part.who else None,
        health=f"{part.state}: {part.reason}" if part.state == WAITING else part.state,
        address=part.url,
        uptime_s=processes.uptime_s(part.who) if part.who and processes.lives(part.who) else None,
        memory_bytes=_memory(family),
        processes=len(family),
        newest=at,
        did=did,
        deaths=part.deaths,
    )


def _memory(family: list[Identity]) -> int:
    return sum(processes.pss_bytes(who.pid) for who in family)


def _last_written(home: Home, part: str) -> tuple[str, datetime | None]:
    """Of a part that keeps no record of its work: when it wrote to its log."""
    log = home.logs / f"{part}.log"
    try:
        return "log line", datetime.fromtimestamp(log.stat().st_mtime, UTC)
    except OSError:
        return "", None


def _addresses(home: Home, up: UpState) -> list[tuple[str, str]]:
    from ckkit.up import screen

    tokens = [(f"Token {role}", token) for role, token in home.all_tokens().items()]
    return [*screen.addresses(home, up), *tokens]


def size_bytes(folder: Path) -> int:
    """Return how much is in a folder; what vanishes while it is counted does not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def table(status: Status) -> Table:
    columns = [
        Column("part", lambda p: tables.text(p.name)),
        Column("health", lambda p: tables.text(p.health)),
        Column("pid", lambda p: Cell("" if p.pid is None else str(p.pid), "number")),
        Column("up for", lambda p: Cell("" if p.uptime_s is None else brief(p.uptime_s), "number")),
        Column("memory", lambda p: tables.number(p.memory_bytes, "bytes")),
        Column("newest", lambda p: tables.text(f"{p.did} {tables.ago(p.newest, status.now)}" if p.newest else "")),
        Column("address", lambda p: tables.text(p.address)),
    ]
    return tables.tabulate("", columns, status.parts, "nothing runs")


def brief(seconds: float) -> str:
    """
    Return a time span in its two largest units.

    >>> brief(4.2), brief(3725), brief(200000)
    ('4s', '1h 2m', '2d 7h')
    """
    from datetime import timedelta

    return " ".join(show_duration(timedelta(seconds=int(seconds))).split()[:2])
