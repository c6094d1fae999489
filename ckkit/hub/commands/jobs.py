"""Commands about jobs: the schedule as the runner follows it, and runs that people ask for."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec

from ckkit.durations import show_duration
from ckkit.hub.registry import Caller, Nothing, Role, command
from ckkit.jobs.parameters import check, known
from ckkit.jobs.schedulefile import GIVEN, Job, ScheduleFile, find
from ckkit.jobs.triggers import Cron
from ckkit.model import Run
from ckkit.store import runs

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub

PENDING = timedelta(hours=1)
"""How long a request waits for a runner; after that nobody expects it any more."""

_files: "WeakKeyDictionary[Hub, ScheduleFile]" = WeakKeyDictionary()


@command("jobs.list")
def list_jobs(hub: "Hub", ask: Nothing, caller: Caller) -> list[dict[str, Any]]:
    """Return the jobs in force: when each runs, its parameters, its last run and its next slot."""
    last, now = runs.last(hub.store), hub.clock()
    return [
        _described(job, last.get(job.name)) | {"next": job.trigger.after(now)} for job in _schedule(hub).jobs.values()
    ]


@command("jobs.problems")
def list_problems(hub: "Hub", ask: Nothing, caller: Caller) -> list[dict[str, Any]]:
    """Return what is wrong with scheduled/schedule.toml: `file`, `line`, `message`. The old one stays in force."""
    problem = _schedule(hub).problem
    return [{**problem.details, "message": problem.message}] if problem else []


class RunJob(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    parameters: dict[str, Any] = {}


@command("jobs.run", role=Role.OPERATOR)
def run_job(hub: "Hub", ask: RunJob, caller: Caller) -> dict[str, str]:
    """Ask for one run now, with parameters beside those of the schedule. Unknown ones are refused."""
    job = find(_schedule(hub).jobs, ask.name)
    open_to_all = {name: p for name, p in known(job.notebook).items() if name not in GIVEN}
    check(ask.parameters, open_to_all, job.notebook.name)
    run_id = uuid.uuid4().hex[:12]
    payload = {"run_id": run_id, "job": job.name, "parameters": ask.parameters}
    hub.store.write(lambda tx: tx.emit("jobs.requested", job.name, payload, caller.name))
    return {"run_id": run_id}


@command("jobs.pending", role=Role.OPERATOR, writes=False)
def list_pending(hub: "Hub", ask: Nothing, caller: Caller) -> dict[str, Any]:
    """Return the `requests` of the last hour that no run was started for, and the `seq` to watch from."""
    seq, requests = runs.pending(hub.store, hub.clock(), PENDING)
    return {"seq": seq, "requests": requests}


class NoticeSchedule(msgspec.Struct, forbid_unknown_fields=True):
    problem: str | None


@command("jobs.notice", role=Role.OPERATOR, writes=False)
def notice_schedule(hub: "Hub", ask: NoticeSchedule, caller: Caller) -> None:
    """Show on the overview that the schedule cannot be taken as it is written, or, with null, that it can again."""
    if ask.problem:
        hub.notices.raise_("schedule", "warn", f"the schedule as it was stays in force: {ask.problem}")
    else:
        hub.notices.clear("schedule")


def _schedule(hub: "Hub") -> ScheduleFile:
    file = _files.setdefault(hub, ScheduleFile(hub.workspace.scheduled / "schedule.toml"))
    file.refresh()
    return file


def _described(job: Job, last: Run | None) -> dict[str, Any]:
    cron = job.trigger if isinstance(job.trigger, Cron) else None
    when = (
        {"cron": cron.text, "timezone": cron.zone.key} if cron else {"every": str(job.trigger).removeprefix("every ")}
    )
    return {
        "name": job.name,
        "notebook": job.notebook.name,
        **when,
        "timeout": show_duration(job.timeout),
        "parameters": dict(job.parameters),
        "last_run": last,
    }
