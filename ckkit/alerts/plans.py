"""
What a monitor is compiled to, and what it watches. Pure: the store turns plans into rows and statements.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from ckkit.alerts.conditions import parse
from ckkit.model import Check, Monitor, Node
from ckkit.nodequery import Facts
from ckkit.nodequery import parse as parse_query
from ckkit.rules import TIME_TAKEN, Expression, Plan, Threshold


def plan(monitor: Monitor, metrics: Collection[str]) -> Plan:
    """
    Compile a monitor over the metrics of its check type.

    One that has no condition is judged by its check's errors alone, and shows the time that the check took.
    Raises Invalid where a condition cannot be read.
    """
    if monitor.reported:
        return Plan(monitor=monitor, kind="report")
    warn, critical, recovery = (
        parse(text, metrics) if text else None for text in (monitor.warn, monitor.critical, monitor.recovery)
    )
    given = [condition for condition in (critical, warn, recovery) if condition is not None]
    columns = {c.column if isinstance(c, Threshold) else "" for c in given}
    first = given[0] if given else None
    if first is None:
        return Plan(monitor=monitor, kind="compare")
    if isinstance(first, Threshold) and len(columns) == 1:
        return Plan(
            monitor=monitor, kind="compare", column=first.column, warn=warn, critical=critical, recovery=recovery
        )
    shown = first.column if isinstance(first, Threshold) else _number(first, metrics)
    return Plan(monitor=monitor, kind="statement", column=shown, warn=warn, critical=critical, recovery=recovery)


def _number(expression: Expression, metrics: Collection[str]) -> str:
    return next((column for column in expression.columns if column in metrics), TIME_TAKEN)


def watched(monitor: Monitor, nodes: Iterable[Node], checks: Mapping[str, Sequence[Check]]) -> list[Check]:
    """Return the checks that a monitor watches. `checks` maps a node's name to its checks. Raises QueryError."""
    query = parse_query(monitor.nodes)
    return [
        check
        for node in nodes
        if query.matches(node, Facts(types={check.type for check in checks.get(node.name, ())}))
        for check in checks.get(node.name, ())
        if check.type == monitor.check and fnmatchcase(check.instance, monitor.instance)
    ]
