"""
scheduled/schedule.toml: which notebook runs when.

    [[jobs]]
    name = "evaluate_monitors"
    notebook = "evaluate_monitors.ipynb"     # beside this file
    every = "10s"                            # or: cron = "30 2 * * mon-fri", with timezone = "Europe/Berlin"
    timeout = "8s"                           # for the run; cell_timeout = "5s" for each cell
    parameters = { }                         # those of the notebook's tagged cell
    keep = "30d"                             # executed copies that changed something or failed

A job that is wrong makes the whole edit wrong: the schedule as it was stays in force,
and the file, the line and the nearest right word are told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec

from ckkit.durations import duration
from ckkit.errors import ConfigError, Invalid, NotFound
from ckkit.jobs.parameters import check, known
from ckkit.jobs.triggers import Cron, Every, Trigger
from ckkit.tomlfile import convert, nearest, parse, problem

SHORTEST = timedelta(seconds=1)
GIVEN = ("slot", "run_id")
"""The parameters that the runner gives, so a schedule may not."""


class JobEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A `[[jobs]]` table as it is written."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    notebook: str
    every: str = ""
    cron: str = ""
    timezone: str = ""
    timeout: str = "5m"
    cell_timeout: str = ""
    parameters: dict[str, Any] = {}
    keep: str = "30d"


class _Document(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    jobs: tuple[JobEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A notebook and when it runs. `timeout` is for the run, `cell_timeout` (or None) for each of its cells."""

    name: str
    notebook: Path
    trigger: Trigger
    timeout: timedelta
    cell_timeout: timedelta | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    keep: timedelta = timedelta(days=30)


Jobs = Mapping[str, Job]


def load(path: Path) -> dict[str, Job]:
    """
    Read a schedule: jobs by name, in the file's order. A workspace without the file has no jobs.

    Raises:
        ConfigError: with file and line; what was found and what is expected.
    """
    if not path.exists():
        return {}
    text, tables = parse(path)
    document = convert(tables, _Document, path, text)
    jobs: dict[str, Job] = {}
    for index, entry in enumerate(document.jobs):
        if entry.name in jobs:
            raise problem(path, text, ("jobs", index, "name"), f"the job {entry.name!r} is written twice")
        jobs[entry.name] = _Reader(path, text, index, entry).job()
    return jobs


def find(jobs: Jobs, name: str) -> Job:
    """Return the job of that name. Raises NotFound with the nearest name."""
    if name not in jobs:
        raise NotFound(f"no job {name!r}{nearest(name, list(jobs))}")
    return jobs[name]


class ScheduleFile:
    """A schedule that is followed while people edit it. `jobs` is what is in force, `problem` why the file is not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.jobs: dict[str, Job] = {}
        self.problem: ConfigError | None = None
        self._seen: object = None

    def refresh(self) -> bool:
        """Read the file again if it, or a notebook it names, is not as it was. Says whether anything is new."""
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self.jobs, self.problem = load(self.path), None
        except ConfigError as error:
            self.problem = error
        self._seen = self._look()
        return True

    def _look(self) -> object:
        folder = self.path.parent
        notebooks = sorted(folder.glob("*.ipynb")) if folder.is_dir() else []
        return [_stamp(path) for path in (self.path, *notebooks)]


def _stamp(path: Path) -> tuple[str, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return path.name, status.st_mtime_ns, status.st_size


@dataclass(frozen=True, slots=True)
class _Reader:
    """One table, and where it is, for the errors."""

    path: Path
    text: str
    index: int
    entry: JobEntry

    def job(self) -> Job:
        notebook = self._notebook()
        return Job(
            name=self.entry.name,
            notebook=notebook,
            trigger=self._trigger(),
            timeout=self._duration("timeout"),
            cell_timeout=self._duration("cell_timeout") if self.entry.cell_timeout else None,
            parameters=self._parameters(notebook),
            keep=self._duration("keep"),
        )

    def _wrong(self, key: str, said: str) -> ConfigError:
        return problem(self.path, self.text, ("jobs", self.index, key), said)

    def _duration(self, key: str) -> timedelta:
        try:
            found = duration(getattr(self.entry, key))
        except Invalid as error:
            raise self._wrong(key, f"`{key}`: {error.message}") from None
        if found <= timedelta(0):
            raise self._wrong(key, f"`{key}`: {getattr(self.entry, key)!r} is not longer than nothing")
        return found

    def _notebook(self) -> Path:
        folder = self.path.parent.resolve()
        notebook = (folder / self.entry.notebook).resolve()
        if not notebook.is_relative_to(folder):
            raise self._wrong("notebook", f"`notebook`: {self.entry.notebook!r} is not in {folder}: move it there")
        if not notebook.is_file():
            there = sorted(
                p.relative_to(folder).as_posix() for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts
            )
            said = nearest(self.entry.notebook, there)
            raise self._wrong("notebook", f"`notebook`: there is no {self.entry.notebook!r} in {folder}{said}")
        return notebook

    def _trigger(self) -> Trigger:
        entry = self.entry
        if bool(entry.every) == bool(entry.cron):
            raise self._wrong(
                "cron" if entry.cron else "name", f"the job {entry.name!r} needs either `every` or `cron`"
            )
        if entry.cron:
            zone = self._zone()
            try:
                return Cron(entry.cron, zone)
            except Invalid as error:
                raise self._wrong("cron", f"`cron`: {error.message}") from None
        if entry.timezone:
            raise self._wrong("timezone", "`timezone` goes with `cron`; slots of `every` are the same everywhere")
        period = self._duration("every")
        if period < SHORTEST:
            raise self._wrong("every", f"`every`: {entry.every!r} is too short: at least 1s")
        return Every(period)

    def _zone(self) -> ZoneInfo:
        name = self.entry.timezone or "UTC"
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            near = nearest(name, sorted(available_timezones()))
            hint = near if "did you mean" in near else ": write an IANA name such as 'Europe/Berlin'"
            raise self._wrong("timezone", f"`timezone`: there is no zone {name!r}{hint}") from None

    def _parameters(self, notebook: Path) -> Mapping[str, Any]:
        given = self.entry.parameters
        try:
            check(given, known(notebook), notebook.name)
        except Invalid as error:
            raise self._wrong("parameters" if given else "notebook", error.message) from None
        for name in GIVEN:
            if name in given:
                raise self._wrong("parameters", f"`parameters`: {name!r} is given by the runner: leave it out")
        return given
