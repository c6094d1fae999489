"""
What `up` says of itself in home/run/up.json, and whether that is still so.

The lock home/run/up.lock is what makes it one; this file is only for looking at.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import ckkit
from ckkit.home import Home
from ckkit.up.processes import Identity, lives

STARTING, READY, STOPPING, FAILED = "starting", "ready", "stopping", "failed"
WAITING = "waiting"  # a part, for its next start


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """One part as the supervisor sees it. `who` is None while it does not run."""

    name: str
    title: str
    who: Identity | None = None
    state: str = STARTING  # starting, ready, waiting (for its next start), stopping, ended
    reason: str = ""
    deaths: int = 0
    ready_s: float | None = None
    url: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpState:
    """The supervisor, and its parts in their order. `took_s`: until all were ready for the first time."""

    who: Identity
    state: str
    started: datetime
    version: str
    code: str
    workspace: str
    parts: tuple[PartState, ...] = ()
    took_s: float | None = None
    error: str = ""

    def part(self, name: str) -> PartState | None:
        return next((part for part in self.parts if part.name == name), None)


def announce(home: Home, up: UpState) -> None:
    """Write it down, for those who look."""
    parts = [
        {**{key: getattr(p, key) for key in _PLAIN}, "pid": p.who and p.who.pid, "created": p.who and p.who.created}
        for p in up.parts
    ]
    home.announce(
        "up",
        pid=up.who.pid,
        created=up.who.created,
        state=up.state,
        started=up.started.isoformat(),
        version=up.version,
        code=up.code,
        workspace=up.workspace,
        took_s=up.took_s,
        error=up.error,
        parts=parts,
        lab_url=f"{lab.url}/lab" if (lab := up.part("lab")) else "",  # for the link on the pages; it asks for its token
    )


_PLAIN = ("name", "title", "state", "reason", "deaths", "ready_s", "url", "port")


def read(home: Home) -> UpState | None:
    """Return what the supervisor of this home said last, whether it still runs or not."""
    found = home.part("up")
    if found is None:
        return None
    try:
        return UpState(
            who=Identity(found["pid"], found["created"]),
            state=found["state"],
            started=datetime.fromisoformat(found["started"]),
            version=found["version"],
            code=found["code"],
            workspace=found["workspace"],
            took_s=found["took_s"],
            error=found["error"],
            parts=tuple(_part(part) for part in found["parts"]),
        )
    except (KeyError, TypeError, ValueError):
        return None  # written by another version: as good as nothing, the lock decides


def _part(found: dict[str, Any]) -> PartState:
    who = Identity(found["pid"], found["created"]) if found["pid"] else None
    return PartState(who=who, **{key: found[key] for key in _PLAIN})


def running(home: Home) -> UpState | None:
    """Return the supervisor of this home, if it runs."""
    up = read(home)
    return up if up and lives(up.who) else None


def code(package: Path | None = None) -> str:
    """Return a word that changes with the code of ckkit: of each file its name, size and time."""
    root = package or Path(ckkit.__file__).parent
    seen = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".sql", ".js", ".j2", ".css"} and path.is_file():
            status = path.stat()
            seen.update(f"{path.relative_to(root)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return seen.hexdigest()[:12]
