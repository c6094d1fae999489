"""
Lists of records as people look at them: tuples with a table for a terminal and HTML for a notebook.

The records stay plain. What a list needs beside them to be drawn (how many checks a
node has, the unit of a metric) it is given when it is made; it never asks the hub.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from ckkit.model import Alert, Check, Decision, Level, Metric, Monitor, Node, Process, Result, Run, Silence, Transition
from ckkit.views import cards, loose, records
from ckkit.views.tables import Table

T = TypeVar("T")
NONE: Mapping[str, Any] = {}


class Records(tuple[T, ...]):
    """A tuple of records that shows itself as a table."""

    title = ""

    def table(self) -> Table:
        """Return what is shown, as a value."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return repr(self.table())

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class NodeList(Records[Node]):
    """Nodes, by name. `levels` holds the worst level of those that have an alert."""

    checks: Mapping[str, int] = NONE
    levels: Mapping[str, Level] = NONE

    @classmethod
    def of(cls, nodes: Iterable[Node], checks: Mapping[str, int], levels: Mapping[str, Level] = NONE) -> "NodeList":
        made = cls(nodes)
        made.checks, made.levels = checks, levels
        return made

    def table(self) -> Table:
        return records.nodes(self, self.checks)

    def _repr_html_(self) -> str:
        return cards.node_cards(self, self.checks, self.levels)


class CheckList(Records[Check]):
    def table(self) -> Table:
        return records.checks(self)


class MetricList(Records[Metric]):
    def table(self) -> Table:
        return records.metrics(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultView(Result):
    """A result that shows itself as a card, with the key of its check and the units of its values."""

    check: str = ""
    node: str = ""
    type: str = ""
    units: Mapping[str, str] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        return cards.result(self, self.check, {f"{self.type}.{name}": unit for name, unit in self.units.items()})


class CheckTypes(Records[Mapping[str, Any]]):
    """Types of checks: mappings with `name`, `help`, `local`, `params` (each a JSON schema) and `metrics`."""

    def table(self) -> Table:
        return loose.check_types(self)


class AlertView(Alert):
    """An alert that shows itself as a card."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return cards.alert(self, NONE)


class AlertList(Records[Alert]):
    units: Mapping[str, str] = NONE
    empty = "no alerts"

    @classmethod
    def of(cls, alerts: Iterable[Alert], units: Mapping[str, str], empty: str = "no alerts") -> "AlertList":
        made = cls(alerts)
        made.units, made.empty = units, empty
        return made

    def table(self) -> Table:
        return records.alerts(self, self.units, empty=self.empty)


class TransitionList(Records[Transition]):
    def table(self) -> Table:
        return records.transitions(self)


class DecisionList(Records[Decision]):
    def table(self) -> Table:
        return records.decisions(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One attempt to tell an address of an alert and its answer, or one decision not to, and the reason."""

    ts: datetime
    monitor: str
    node: str
    check: str
    kind: str
    outcome: str
    reason: str
    address: str | None = None
    level: Level | None = None
    slot: datetime | None = None
    attempt: int = 0
    answer: str = ""
    took: float | None = None


class NotificationList(Records[Notification]):
    def table(self) -> Table:
        return records.notifications(self)


class SilenceList(Records[Silence]):
    def table(self) -> Table:
        return records.silences(self)


class RunList(Records[Run]):
    def table(self) -> Table:
        return records.runs(self)


class ProcessList(Records[Process]):
    def table(self) -> Table:
        return records.processes(self)


class Rows(Records[Mapping[str, Any]]):
    """Rows without a record of their own: dicts, shown with a column a key."""

    empty = "nothing"

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], empty: str = "nothing") -> "Rows":
        made = cls(rows)
        made.empty = empty
        return made

    def table(self) -> Table:
        return loose.rows(self, empty=self.empty)


class Steps(dict[str, float]):
    """Seconds by step, in their order."""

    def __repr__(self) -> str:
        return repr(records.steps(self))

    def _repr_html_(self) -> str:
        return records.steps(self)._repr_html_()


class MonitorList(Records[Monitor]):
    """Monitors, by name. `problems` holds what is wrong with the file of some, `now` how those judged stand."""

    problems: Mapping[str, Sequence[str]] = NONE
    now: Mapping[str, records.Standing] = NONE

    @classmethod
    def of(
        cls,
        monitors: Iterable[Monitor],
        problems: Mapping[str, Sequence[str]],
        now: Mapping[str, records.Standing] = NONE,
    ) -> "MonitorList":
        made = cls(monitors)
        made.problems, made.now = problems, now
        return made

    def table(self) -> Table:
        return records.monitors(self, self.now)

    def _repr_html_(self) -> str:
        return cards.monitors(self, self.now, self.problems)
