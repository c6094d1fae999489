"""
What the runner starts at `now`. Pure: the clock, the kernels and the hub are elsewhere.

Never two runs of one job at once: a slot that comes while its job runs waits, and is
run, or counted as missed, when that run has ended. Long jobs share `ROOM` places; a
job with a slot at least once a minute needs none, so that evaluating monitors never
waits for a report.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ckkit.jobs.schedulefile import Job, Jobs
from ckkit.jobs.triggers import Due, Every, Why, due, settled
from ckkit.model import Run

ROOM = 3
SHORT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Somebody asked for a run, with these parameters beside the schedule's."""

    run_id: str
    job: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Start:
    """A run to start now: for a slot, or because of a request."""

    job: Job
    due: Due | None = None
    request: Request | None = None

    def run(self, run_id: str, now: datetime) -> Run:
        """Return the record of the run that starts now; a requested one has its id already."""
        asked = self.request
        return Run(
            run_id=asked.run_id if asked else run_id,
            job=self.job.name,
            notebook=self.job.notebook.name,
            state="running",
            started=now,
            slot=self.due.slot if self.due else None,
            parameters={**self.job.parameters, **(asked.parameters if asked else {})},
            why=self.due.why if self.due else Why.REQUEST,
            missed=self.due.missed if self.due else 0,
        )


def is_short(job: Job) -> bool:
    """Whether the job's slots come at least once a minute."""
    return isinstance(job.trigger, Every) and job.trigger.period <= SHORT


def starts(
    jobs: Jobs,
    done: Mapping[str, datetime],
    running: Collection[str],
    requests: Sequence[Request],
    now: datetime,
) -> list[Start]:
    """
    Say which runs start now, the short jobs first, then what people asked for, then the rest.

    `done` maps a job to the last slot that was started. Requests for a job that is not in the schedule any more
    are left out: the caller answers them.
    """
    wanted = [Start(job, due=found) for job in jobs.values() if (found := _due(job, done, now))]
    short = [start for start in wanted if is_short(start.job)]
    asked = [Start(jobs[r.job], request=r) for r in requests if r.job in jobs]
    rest = [start for start in wanted if not is_short(start.job)]
    busy = set(running)
    room = ROOM - sum(not is_short(jobs[name]) for name in busy if name in jobs)
    chosen = []
    for start in [*short, *asked, *rest]:
        fits = is_short(start.job) or room > 0
        if fits and start.job.name not in busy:
            chosen.append(start)
            busy.add(start.job.name)
            room -= not is_short(start.job)
    return chosen


def wake(jobs: Jobs, now: datetime) -> datetime | None:
    """Return when the next slot of any job comes; None without jobs."""
    return min((job.trigger.after(now) for job in jobs.values()), default=None)


def _due(job: Job, done: Mapping[str, datetime], now: datetime) -> Due | None:
    before = done.get(job.name)
    return None if before is None else due(job.trigger, settled(job.trigger, before, now), now)
