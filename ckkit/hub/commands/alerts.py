"""Alerts: the state of every monitor on every check that it watches."""

from typing import TYPE_CHECKING

import msgspec

from ckkit.hub.registry import Caller, command
from ckkit.model import Alert, Level, Status
from ckkit.nodequery import Facts, parse

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


class ListAlerts(msgspec.Struct, forbid_unknown_fields=True):
    status: Status | None = None
    query: str | None = None


@command("alerts.list")
def list_alerts(hub: "Hub", ask: ListAlerts, caller: Caller) -> list[Alert]:
    """Return the alerts, the worst first: of one status, and of the nodes of a query, where they are given."""
    found = hub.evaluator.listed(str(ask.status) if ask.status else None)
    if not ask.query:
        return found
    query, rulebook = parse(ask.query), hub.evaluator.rulebook
    worst: dict[str, Level] = {}
    for alert in found if ask.status is None else hub.evaluator.listed():
        if alert.status is Status.FIRING and alert.level.code > worst.get(alert.node, Level.OK).code:
            worst[alert.node] = alert.level
    meant = {
        name
        for name, node in rulebook.nodes.items()
        if query.matches(
            node,
            Facts(level=worst.get(name, Level.OK), types={check.type for check in rulebook.checks.get(name, ())}),
        )
    }
    return [alert for alert in found if alert.node in meant]
