"""
Commands about runs: what the runner tells, and what was run.

Those of the runner are not audited: the table `runs` is itself the record of them.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from ckkit.hub.registry import Caller, Nothing, Role, command
from ckkit.model import Run
from ckkit.store import runs

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub

Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class StartRun(msgspec.Struct, forbid_unknown_fields=True):
    run_id: str
    job: str
    notebook: str
    started: Aware
    slot: Aware | None = None
    why: Literal["slot", "catch-up", "request"] = "slot"
    missed: int = 0
    parameters: dict[str, Any] = {}


@command("runs.start", role=Role.OPERATOR, writes=False)
def start_run(hub: "Hub", ask: StartRun, caller: Caller) -> dict[str, str]:
    """Write down that a run started. Told twice, it counts once."""
    run = Run(state="running", **{name: getattr(ask, name) for name in ask.__struct_fields__})
    hub.store.write(lambda tx: runs.start(tx, run))
    return {"run_id": run.run_id}


class FinishRun(msgspec.Struct, forbid_unknown_fields=True):
    run_id: str
    state: Literal["ok", "failed", "timeout"]
    error: str = ""
    output: str = ""
    kernel: str = ""
    finished: Aware | None = None


@command("runs.finish", role=Role.OPERATOR, writes=False)
def finish_run(hub: "Hub", ask: FinishRun, caller: Caller) -> dict[str, str]:
    """Write down how a run ended, and tell of it (`jobs.finished`, `jobs.failed`). Told twice, it counts once."""
    hub.store.write(
        lambda tx: runs.finish(
            tx,
            ask.run_id,
            state=ask.state,
            error=ask.error,
            output=ask.output,
            kernel=ask.kernel,
            finished=ask.finished or tx.now,
        )
    )
    return {"run_id": ask.run_id}


class CloseRuns(msgspec.Struct, forbid_unknown_fields=True):
    error: str


@command("runs.close", role=Role.OPERATOR, writes=False)
def close_runs(hub: "Hub", ask: CloseRuns, caller: Caller) -> dict[str, int]:
    """End, as failed, the runs of a runner that died: its successor says so before it runs anything."""
    return {"closed": hub.store.write(lambda tx: runs.close(tx, ask.error))}


@command("runs.slots")
def list_slots(hub: "Hub", ask: Nothing, caller: Caller) -> dict[str, datetime]:
    """Return the last slot of each job that a run was started for."""
    return runs.slots(hub.store)


class ListRuns(msgspec.Struct, forbid_unknown_fields=True):
    job: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50


@command("runs.list")
def list_runs(hub: "Hub", ask: ListRuns, caller: Caller) -> list[Run]:
    """Return runs, the newest first, of one job or of all."""
    return runs.newest(hub.store, ask.job, ask.limit)
