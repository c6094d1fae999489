"""
The list of judges: each may say why somebody is not told now. Pure: `now` is an argument.

What comes in is News: one alert for one address. Maintenance, inhibition, acknowledgement and flapping will take their
places in JUDGES, before `nothing_new`, which must stay the last: it says what there would have been to tell.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from ckkit.alerts.reasons import Reason
from ckkit.model import Alert, Level, Node, Silence, Status
from ckkit.nodequery import Facts, Query

NOBODY = Facts()


@dataclass(frozen=True, slots=True)
class Quiet:
    """A silence with its query read."""

    silence: Silence
    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """
    An alert, and what one address knows of it: the level that it was told of, `ok` where it was told of none.

    `since` is when the problem began, also where it is over.
    """

    alert: Alert
    node: Node
    address: str
    knows: Level = Level.OK
    since: datetime | None = None
    facts: Facts = NOBODY

    @property
    def kind(self) -> str:
        """`problem`, `recovery`, or `none` where there is nothing to tell."""
        if self.alert.status is Status.FIRING:
            return "problem"
        return "recovery" if self.knows is not Level.OK else "none"


Judge = Callable[[News, datetime, Iterable[Quiet]], Reason | None]


def silenced(news: News, now: datetime, quiets: Iterable[Quiet]) -> Reason | None:
    """
    Somebody asked for quiet about this monitor on this node, from `starts` until before `ends`.

    The end of a problem that was announced before the silence passes: nobody is left with a page that never ends.
    """
    if news.kind == "recovery":
        return None
    for quiet in quiets:
        silence = quiet.silence
        if (
            silence.starts <= now < silence.ends
            and fnmatchcase(news.alert.monitor, silence.monitor)
            and quiet.query.matches(news.node, news.facts)
        ):
            return Reason.SILENCED
    return None


def nothing_new(news: News, now: datetime, quiets: Iterable[Quiet]) -> Reason | None:
    """The address knows. From critical down to warn is no news: nobody is woken to hear that it is a little better."""
    if news.kind == "none":
        return Reason.NOTHING_NEW
    if news.kind == "recovery":
        return None
    level = news.alert.level
    if level is news.knows or (news.knows is Level.CRITICAL and level is Level.WARN):
        return Reason.NOTHING_NEW
    return None


JUDGES: list[Judge] = [silenced, nothing_new]


def judge(news: News, now: datetime, quiets: Iterable[Quiet], judges: Iterable[Judge] = JUDGES) -> Reason | None:
    """Return the reason of the first judge who has one; None when all let it pass."""
    return next((reason for j in judges if (reason := j(news, now, quiets)) is not None), None)


def why(news: News) -> Reason:
    """Say why news that passed is told."""
    if news.kind == "recovery":
        return Reason.RESOLVED
    return Reason.FIRST if news.knows is Level.OK else Reason.CHANGED
