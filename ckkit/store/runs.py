"""
The runs of scheduled notebooks, in the store: who ran what when, and how it ended.

Each function that writes is one transaction's work (`store.write(lambda tx: start(tx, run))`) and may be told twice:
the runner repeats what it told when it does not know whether the hub heard it.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ckkit.errors import NotFound
from ckkit.model import Run
from ckkit.store.statements import statement
from ckkit.store.times import aware, naive

if TYPE_CHECKING:
    from ckkit.store import Store, Tx

RUNNER = "runner"
"""The source of the events that tell of runs."""


def start(tx: "Tx", run: Run) -> None:
    """Write down that a run started."""
    tx.cur.execute(
        statement("run_start"),
        {
            "run_id": run.run_id,
            "job": run.job,
            "notebook": run.notebook,
            "slot": naive(run.slot) if run.slot else None,
            "started": naive(run.started),
            "parameters": json.dumps(dict(run.parameters), default=str),
            "why": run.why,
            "missed": run.missed,
        },
    )


def finish(tx: "Tx", run_id: str, *, state: str, error: str, output: str, kernel: str, finished: datetime) -> None:
    """
    Write down how a run ended, and tell of it: `jobs.finished`, or `jobs.failed` for every state but "ok".

    Raises:
        NotFound: no run of that id was started.
    """
    told = {"run_id": run_id, "state": state, "error": error, "output": output, "kernel": kernel}
    row = tx.cur.execute(statement("run_finish"), told | {"finished": naive(finished)}).fetchone()
    if row is not None:
        _tell(tx, run_id, state, error, row)
    elif not tx.cur.execute("select 1 from runs where run_id = $id", {"id": run_id}).fetchone():
        raise NotFound(f"no run {run_id!r} was started: it cannot be finished")


def close(tx: "Tx", error: str) -> int:
    """End, as failed, every run that is still under way, and say how many: their runner died."""
    rows = tx.cur.execute("select run_id from runs where state = 'running' order by started").fetchall()
    for (run_id,) in rows:
        finish(tx, run_id, state="failed", error=error, output="", kernel="", finished=tx.now)
    return len(rows)


def newest(store: "Store", job: str | None = None, limit: int = 50) -> list[Run]:
    """Return runs, the newest first, of one job or of all."""
    found = store.query(statement("runs_newest"), {"job": job, "limit": limit})
    return [_run(row) for row in found.to_pylist()]


def last(store: "Store") -> dict[str, Run]:
    """Return the newest run of each job."""
    return {row["job"]: _run(row) for row in store.query(statement("runs_last")).to_pylist()}


def slots(store: "Store") -> dict[str, datetime]:
    """Return the last slot of each job that a run was started for."""
    rows = store.query("select job, max(slot) as slot from runs where slot is not null group by job order by job")
    return {row["job"]: row["slot"].replace(tzinfo=UTC) for row in rows.to_pylist()}


def pending(store: "Store", now: datetime, since: timedelta) -> tuple[int, list[Mapping[str, Any]]]:
    """
    Return the requests of the last while that no run was started for, the oldest first, and the `seq` to watch from.

    The seq is read first: a request between the two reads is in both, never in neither.
    """
    seq = store.query("select coalesce(max(seq), 0) as seq from events").to_pylist()[0]["seq"]
    rows = store.query(statement("runs_pending"), {"since": naive(now - since)}).to_pylist()
    return int(seq), [json.loads(row["payload"]) for row in rows]


def _tell(tx: "Tx", run_id: str, state: str, error: str, row: tuple[Any, ...]) -> None:
    job, slot, took_seconds = row
    topic = "jobs.finished" if state == "ok" else "jobs.failed"
    payload = {
        "run_id": run_id,
        "job": job,
        "state": state,
        "error": error,
        "slot": slot and f"{aware(slot):%Y-%m-%dT%H:%M:%SZ}",
        "took_seconds": took_seconds,
    }
    tx.emit(topic, job, payload, RUNNER)


def _run(row: Mapping[str, Any]) -> Run:
    times = {name: aware(row[name]) for name in ("slot", "started", "finished")}
    return Run(**{**row, **times, "parameters": json.loads(row["parameters"])})
