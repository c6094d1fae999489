"""
Executed copies, below the home: what each run showed, and for how long that is kept.

    runs/<job>/20261124T100010Z-changed-4f1c9a2e.ipynb     slot (or start), why it is kept, run id

Why it is kept stands in the name, so what to remove is decided from a listing alone:
a copy of a run that failed or changed something is kept for the job's `keep` (30 days),
of the others the last 50 of each job, and all together stay below 200 MB.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

KEEP = timedelta(days=30)
PLAIN = 50
LIMIT_BYTES = 200_000_000
UNFINISHED = timedelta(days=1)

_NAME = re.compile(r"^(?P<at>\d{8}T\d{6}Z)-(?P<kind>failed|changed|plain|running)-(?P<run>[0-9a-z]+)\.ipynb$")
_AT = "%Y%m%dT%H%M%SZ"


class Kind(StrEnum):
    """Why a copy is kept, the most telling first."""

    FAILED = "failed"
    CHANGED = "changed"
    PLAIN = "plain"
    RUNNING = "running"


class Why(StrEnum):
    """Why a copy is removed."""

    OLD = "older than it is kept"
    MANY = "more than the last of its job"
    LARGE = "all copies together are too large"
    ABANDONED = "its run never ended"


@dataclass(frozen=True, slots=True)
class Copy:
    """One file, as a listing tells it. `at` is the slot, or the start of a run without one."""

    job: str
    at: datetime
    kind: Kind
    run: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.job}/{_file(self.at, self.kind, self.run)}"


def removals(
    copies: Iterable[Copy],
    now: datetime,
    keep: Mapping[str, timedelta] | None = None,
    *,
    plain: int = PLAIN,
    limit: int = LIMIT_BYTES,
) -> dict[Copy, Why]:
    """
    Say which copies go, and why. `keep` maps a job to how long its changed and failed ones are kept.

    The newest copy of each job always stays: it is what people open.
    """
    newest_first = sorted(copies, key=lambda c: (c.at, c.run), reverse=True)
    newest = {c.job: c for c in reversed(newest_first) if c.kind is not Kind.RUNNING}
    gone: dict[Copy, Why] = {}
    seen: Counter[str] = Counter()
    for copy in newest_first:
        seen[copy.job] += copy.kind is Kind.PLAIN
        why = _expired(copy, now, (keep or {}).get(copy.job, KEEP), seen[copy.job] > plain)
        if why and newest.get(copy.job) is not copy:
            gone[copy] = why
    stays = [c for c in newest_first if c not in gone and c.kind is not Kind.RUNNING]
    return gone | _too_large(stays, set(newest.values()), limit)


def _expired(copy: Copy, now: datetime, keep: timedelta, many: bool) -> Why | None:
    if copy.kind is Kind.RUNNING:
        return Why.ABANDONED if now - copy.at > UNFINISHED else None
    if copy.kind is Kind.PLAIN:
        return Why.MANY if many else None
    return Why.OLD if now - copy.at > keep else None


def _too_large(stays: list[Copy], needed: set[Copy], limit: int) -> dict[Copy, Why]:
    """Which of `stays` go until the rest fits: the least telling first, of those the oldest."""
    total = sum(c.size for c in stays)
    kinds = list(Kind)
    gone: dict[Copy, Why] = {}
    for copy in sorted(stays, key=lambda c: (-kinds.index(c.kind), c.at)):
        if total <= limit:
            break
        if copy not in needed:
            gone[copy] = Why.LARGE
            total -= copy.size
    return gone


class Archive:
    """The folder `runs` of a home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, job: str, at: datetime, run: str) -> Path:
        """Return where the run is written while it runs; its folder exists."""
        folder = self.folder / job
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / _file(at, Kind.RUNNING, run)

    def finish(self, copy: Path, kind: Kind) -> str:
        """Give a copy its name and return that, relative to `folder`; "" where the run wrote none."""
        found = _NAME.match(copy.name)
        if found is None or not copy.exists():
            return ""
        final = copy.with_name(f"{found['at']}-{kind}-{found['run']}.ipynb")
        copy.replace(final)
        return final.relative_to(self.folder).as_posix()

    def copies(self) -> list[Copy]:
        """List what is there. Files that are none of ours are left out, and so left alone."""
        return [c for path in self.folder.glob("*/*.ipynb") if (c := _copy(path)) is not None]

    def prune(self, now: datetime, keep: Mapping[str, timedelta] | None = None) -> dict[Copy, Why]:
        """Remove what `removals` says; return it."""
        gone = removals(self.copies(), now, keep)
        for copy in gone:
            (self.folder / copy.name).unlink(missing_ok=True)
        return gone


def _file(at: datetime, kind: Kind, run: str) -> str:
    return f"{at.astimezone(UTC).strftime(_AT)}-{kind}-{run}.ipynb"


def _copy(path: Path) -> Copy | None:
    found = _NAME.match(path.name)
    try:
        size = path.stat().st_size
    except OSError:  # removed by somebody meanwhile
        return None
    if found is None:
        return None
    at = datetime.strptime(found["at"], _AT).replace(tzinfo=UTC)
    return Copy(path.parent.name, at, Kind(found["kind"]), found["run"], size)
