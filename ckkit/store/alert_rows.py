"""Rows of the tables of alerts as records."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ckkit.model import Alert, Level, Silence, Status, Transition
from ckkit.rules import Plan
from ckkit.store.times import aware

Row = Mapping[str, Any]


def dated(moment: datetime) -> datetime:
    """Return what the store keeps as an aware time, where there is one."""
    return moment.replace(tzinfo=UTC)


def alert_of(row: Row, plan: Plan | None) -> Alert:
    """Make an alert of a row of `alerts`; the plan of its monitor says the rule and the window."""
    told_level = row.get("told_level")
    return Alert(
        monitor=row["monitor"],
        node=row["node"],
        check=row["check"],
        check_id=row["check_id"],
        status=Status(row["status"]),
        level=Level(row["level"]),
        slot=dated(row["slot"]),
        since=aware(row["since"]),
        fired_at=aware(row["fired_at"]),
        value=row["value"],
        text=row["text"] or "",
        rule=plan.rule(Level(row["level"]), row["reason"]) if plan else "",
        window=plan.monitor.window if plan else timedelta(0),
        result_at=aware(row["result_at"]),
        reason=row["reason"],
        told=Status.FIRING if told_level is not None else Status.OK,
        told_level=Level(told_level) if told_level is not None else Level.OK,
        told_at=aware(row.get("told_at")),
    )


def transition_of(row: Row) -> Transition:
    return Transition(
        slot=dated(row["slot"]),
        monitor=row["monitor"],
        node=row["node"],
        check=row["check"],
        check_id=row["check_id"],
        before=Status(row["before"]),
        after=Status(row["after"]),
        level=Level(row["level"]),
        reason=row["reason"],
        value=row["value"],
        monitor_version=row["monitor_version"],
    )


def silence_of(row: Row) -> Silence:
    return Silence(
        silence_id=row["silence_id"],
        nodes=row["nodes"],
        monitor=row["monitor"],
        starts=dated(row["starts"]),
        ends=dated(row["ends"]),
        who=row["who"],
        comment=row["comment"],
    )
