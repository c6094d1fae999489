"""
What a monitor comes to: the records between those who read monitors (`alerts`) and those who judge them (`store`).

Pure, and below both. A condition is a Threshold, where one column is compared with a number, or an Expression.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from ckkit.model import Check, Level, Monitor

TIME_TAKEN = "took_seconds"
TEXTS = ("state", "status")
"""The columns that every check has beside `took_seconds`: ok, warn or err; and what it said."""

SHORTEST_LOOKBACK = timedelta(seconds=60)
MISSED_RUNS = 3


class Cause(StrEnum):
    """Why an alert has its level: the reason of transitions."""

    CONDITION = "condition"  # the warn or the critical condition holds
    ERROR = "error"  # the check failed
    MISSING = "missing"  # there is no result, or no value, in the lookback
    CLEAR = "clear"  # nothing is wrong
    RECOVERED = "recovered"  # nothing is wrong, and the recovery condition holds
    BETWEEN = "between"  # nothing is wrong, and the recovery condition does not hold
    WAITING = "waiting"  # missing, but the check is new or the hub was away: nothing changes
    NEW = "new"  # the check is younger than new_instance_delay: nothing changes
    REPORT = "report"  # a notebook said so
    UNWATCHED = "unwatched"  # no monitor watches the check any more, or it is gone


@dataclass(frozen=True, slots=True)
class Threshold:
    """`column op number`."""

    column: str
    op: str
    number: float

    @property
    def bounds(self) -> tuple[float, float]:
        """
        Return the least and the greatest value that meet it, both included.

        >>> Threshold("x", ">=", 0.5).bounds
        (0.5, inf)
        """
        above, below = math.nextafter(self.number, math.inf), math.nextafter(self.number, -math.inf)
        return {
            ">": (above, math.inf),
            ">=": (self.number, math.inf),
            "<": (-math.inf, below),
            "<=": (-math.inf, self.number),
        }.get(self.op, (self.number, self.number))

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def holds(self, value: float) -> bool:
        """Say whether a value meets it. NaN meets nothing."""
        least, greatest = self.bounds
        return least <= value <= greatest


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression. `kind` is number, column, word (a keyword or function), text or op."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Expression:
    """Any other condition: SQL over the columns of a check. Made by `alerts.conditions.parse` alone."""

    text: str
    tokens: tuple[Token, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Those it names, in order, each once."""
        return tuple(dict.fromkeys(token.text for token in self.tokens if token.kind == "column"))


Condition = Threshold | Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    A monitor, compiled. `kind` is `compare` (bounds on one column), `statement` (SQL) or `report` (a notebook's).

    `column` is what is shown as the alert's value: of a comparison the one compared.
    """

    monitor: Monitor
    kind: str
    column: str = TIME_TAKEN
    warn: Condition | None = None
    critical: Condition | None = None
    recovery: Condition | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the check that it reads."""
        given = [condition.columns for condition in (self.warn, self.critical, self.recovery) if condition]
        return tuple(dict.fromkeys((self.column, *(column for columns in given for column in columns))))

    def bounds(self, condition: Condition | None) -> tuple[float | None, float | None]:
        """Return the bounds of one of a comparison's conditions; nothing where there is none."""
        simple = self.kind == "compare" and isinstance(condition, Threshold)
        return condition.bounds if simple and isinstance(condition, Threshold) else (None, None)

    def rule(self, level: Level, reason: str) -> str:
        """Say which rule gave an alert its level; where it is ok, which would."""
        if reason == Cause.ERROR:
            return "the check fails"
        if reason in (Cause.MISSING, Cause.WAITING):
            return "no result"
        if self.kind == "report":
            return "reported by a notebook"
        monitor = self.monitor
        held = {Level.CRITICAL: monitor.critical, Level.WARN: monitor.warn}.get(level)
        return held or monitor.critical or monitor.warn or ""


Watches = Sequence[tuple[Plan, Sequence[Check]]]
"""Plans, and the checks that each watches."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan with its numbers in the store."""

    monitor_id: int
    version: int
    plan: Plan


def lookback(check: Check) -> timedelta:
    """Return for how long a result of a check counts: three of its runs may be missed, and at least a minute passes."""
    return max(check.every * MISSED_RUNS, SHORTEST_LOOKBACK)


def milliseconds(span: timedelta) -> int:
    return math.ceil(span / timedelta(milliseconds=1))
