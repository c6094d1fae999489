"""Commands about checks."""

from typing import TYPE_CHECKING, Any

import msgspec

from ckkit import config
from ckkit.errors import Invalid
from ckkit.hub.registry import Caller, Nothing, Role, command
from ckkit.model import Check
from ckkit.nodequery import Facts, parse

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub

RUN_PATIENCE_S = 120.0


class ListChecks(msgspec.Struct, forbid_unknown_fields=True):
    query: str = "*"
    type: str | None = None


@command("checks.list")
def list_checks(hub: "Hub", ask: ListChecks, caller: Caller) -> list[Check]:
    """Return the checks on the nodes of a query, of one type or of all, by key."""
    query = parse(ask.query)
    checks = hub.inventory.checks()
    if ask.type is not None and not any(check.type == ask.type for check in checks):
        hub.inventory.collector.catalogue.get(ask.type)
    types: dict[str, set[str]] = {}
    for check in checks:
        types.setdefault(check.node, set()).add(check.type)
    wanted = {n.name for n in hub.inventory.nodes() if query.matches(n, Facts(types=types.get(n.name, ())))}
    return [check for check in checks if check.node in wanted and ask.type in (None, check.type)]


@command("checks.problems")
def list_problems(hub: "Hub", ask: Nothing, caller: Caller) -> list[dict[str, Any]]:
    """Return what is wrong with the checks and providers of ckkit.toml: `file`, `line`, `message`."""
    return [msgspec.to_builtins(problem) for problem in hub.inventory.problems]


@command("checks.types")
def list_types(hub: "Hub", ask: Nothing, caller: Caller) -> list[dict[str, Any]]:
    """Return the check types that are installed: what they are for, their params (as JSON schema) and metrics."""
    catalogue = hub.inventory.collector.catalogue
    return [
        {
            "name": name,
            "help": kind.help,
            "local": kind.local,
            "params": _params(kind.Params),
            "metrics": msgspec.to_builtins(catalogue.metrics(name)),
        }
        for name, kind in sorted(catalogue.types.items())
    ]


def _params(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The schema of each param by name; `required` where it has no default."""
    (schema,), known = msgspec.json.schema_components([kind])
    found = known[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    needed = found.get("required", [])
    return {name: about | {"required": name in needed} for name, about in found.get("properties", {}).items()}


class AddCheck(msgspec.Struct, forbid_unknown_fields=True):
    node: str
    type: str
    instance: str = ""
    params: dict[str, Any] = {}
    every: str = ""
    timeout: str = ""


@command("checks.add", role=Role.OPERATOR)
def add_check(hub: "Hub", ask: AddCheck, caller: Caller) -> Check:
    """Write a check to ckkit.toml, and begin to run it."""
    hub.inventory.node(ask.node)
    hub.inventory.collector.catalogue.params(ask.type, ask.params)
    with hub.inventory.editing:
        return _add(hub, ask)


def _add(hub: "Hub", ask: AddCheck) -> Check:
    own = {"node": ask.node, "type": ask.type, "instance": ask.instance, "every": ask.every, "timeout": ask.timeout}
    config.add_check(hub.workspace, {key: value for key, value in own.items() if value} | ask.params)
    hub.reload()
    key = Check(node=ask.node, type=ask.type, instance=ask.instance).key
    line = hub.inventory.line(key)
    wrong = [problem for problem in hub.inventory.problems if line in (None, problem.line)]
    if line is None or wrong:
        # What only the whole tells (a time-out longer than the interval): the file goes back to what it was.
        config.remove_check(hub.workspace, node=ask.node, type=ask.type, instance=ask.instance)
        hub.reload()
        raise Invalid(f"the check {key} was not added: {'; '.join(problem.message for problem in wrong)}")
    return hub.inventory.check(key)


class OneCheck(msgspec.Struct, forbid_unknown_fields=True):
    check: str


@command("checks.remove", role=Role.OPERATOR)
def remove_check(hub: "Hub", ask: OneCheck, caller: Caller) -> Check:
    """Take a check out of ckkit.toml, and stop to run it; what it measured stays."""
    check = hub.inventory.check(ask.check)
    line = hub.inventory.line(check.key)
    if line is None:
        raise Invalid(
            f"{check.key} is one of this machine's own checks, which are not written in ckkit.toml: they go with "
            "`enabled = false` in [this_machine]"
        )
    written = hub.workspace.load().checks
    if any(one.line == line and one.nodes for one in written):
        raise Invalid(f"{check.key} comes from the query at {hub.workspace.toml}:{line}: change it there")
    with hub.inventory.editing:
        config.remove_check(hub.workspace, node=check.node, type=check.type, instance=check.instance)
        hub.reload()
    return check


@command("checks.run", role=Role.OPERATOR)
def run_check(hub: "Hub", ask: OneCheck, caller: Caller) -> dict[str, Any]:
    """Run a check now, store the result, and return it: with `check`, `node`, `type` and the `units` of its values."""
    check = hub.inventory.check(ask.check)
    if check.passive:
        raise Invalid(f"{check.key} is passive: its results are pushed by others, so it cannot be run from here")
    result = hub.inventory.collector.run_now(check.key, patience_s=RUN_PATIENCE_S)
    units = {metric.name: metric.unit for metric in hub.inventory.metrics(check.type)}
    return msgspec.to_builtins(result) | {  # type: ignore[no-any-return]  # a record becomes a dict
        "check": check.key,
        "node": check.node,
        "type": check.type,
        "units": {name: units.get(name, "") for name in result.values},
    }
