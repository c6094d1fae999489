"""Monitors: the rules in force, what is wrong with their files, judging a slot, reporting levels."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ckkit.hub.registry import Caller, Nothing, Role, command
from ckkit.model import Evaluation, Level

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


class Evaluate(msgspec.Struct, forbid_unknown_fields=True):
    slot: datetime | None = None
    by: str = ""
    run_id: str = ""


class Found(msgspec.Struct, forbid_unknown_fields=True):
    node: str
    check: str
    level: Level
    value: float | None = None
    text: str = ""


class Report(msgspec.Struct, forbid_unknown_fields=True):
    monitor: str
    levels: tuple[Found, ...] = ()
    slot: datetime | None = None
    by: str = ""


@command("monitors.list")
def list_monitors(hub: "Hub", ask: Nothing, caller: Caller) -> list[dict[str, Any]]:
    """Return the monitors in force, by name, each with the problems of its file (`problems`: file, line, message)."""
    problems = hub.evaluator.problems
    return [
        {**msgspec.to_builtins(monitor), "problems": [_problem(p) for p in problems if p.monitor == monitor.name]}
        for monitor in hub.evaluator.rulebook.monitors()
    ]


@command("monitors.problems")
def list_problems(hub: "Hub", ask: Nothing, caller: Caller) -> list[dict[str, Any]]:
    """Return what is wrong with the monitor files: file, line, message, and the monitor where it is one."""
    return [_problem(problem) for problem in hub.evaluator.look()]


@command("monitors.evaluate", role=Role.OPERATOR, writes=False)
def evaluate(hub: "Hub", ask: Evaluate, caller: Caller) -> Evaluation:
    """Judge a slot, by default the newest: once, whoever asks. `by` and `run_id` say in `slots` who it was."""
    return hub.evaluator.evaluate(ask.slot, ask.by or caller.name, ask.run_id)


@command("monitors.report", role=Role.OPERATOR)
def report(hub: "Hub", ask: Report, caller: Caller) -> Evaluation:
    """Take the levels that a notebook found for a monitor with `reported = true`, one a node and check."""
    levels = [msgspec.to_builtins(found) for found in ask.levels]
    return hub.evaluator.report(ask.monitor, ask.slot, levels, ask.by or caller.name)


def _problem(problem: Any) -> dict[str, Any]:
    """File and line have columns of their own, so the message goes without them."""
    said = problem.message.partition(f"{problem.file}:{problem.line}: ")[2] or problem.message
    return {"file": problem.file, "line": problem.line, "message": said, "monitor": problem.monitor}
