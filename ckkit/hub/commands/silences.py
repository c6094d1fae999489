"""Silences: people ask for quiet."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from ckkit.durations import duration
from ckkit.errors import Invalid
from ckkit.hub.registry import Caller, Role, command
from ckkit.model import Silence
from ckkit.nodequery import parse

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


class AddSilence(msgspec.Struct, forbid_unknown_fields=True):
    comment: str
    nodes: str = "*"
    monitor: str = "*"
    ends: datetime | None = None
    lasts: str | None = None
    starts: datetime | None = None


class ListSilences(msgspec.Struct, forbid_unknown_fields=True):
    all: bool = False


class ExpireSilence(msgspec.Struct, forbid_unknown_fields=True):
    silence_id: int


@command("silences.add", role=Role.OPERATOR)
def add_silence(hub: "Hub", ask: AddSilence, caller: Caller) -> Silence:
    """Ask for quiet about monitors (a glob) on nodes (a query), from now or `starts`, until `ends` or as it `lasts`."""
    if (ask.ends is None) == (ask.lasts is None):
        raise Invalid("a silence needs either `ends` (a time) or `lasts` (a duration such as 2h)")
    if not ask.comment.strip():
        raise Invalid("a silence needs a `comment`: why, for whoever wonders at 3 a.m.")
    for moment in (ask.starts, ask.ends):
        if moment is not None and moment.tzinfo is None:
            raise Invalid(f"the time {moment} has no zone: write it with Z or an offset")
    parse(ask.nodes)
    starts = ask.starts or hub.clock()
    ends = ask.ends or starts + duration(ask.lasts or "")
    return hub.evaluator.news.silence(
        Silence(
            nodes=ask.nodes, monitor=ask.monitor, starts=starts, ends=ends, who=caller.name, comment=ask.comment.strip()
        )
    )


@command("silences.list")
def list_silences(hub: "Hub", ask: ListSilences, caller: Caller) -> list[Silence]:
    """Return the silences in force or to come, by their end; with `all` also those that are over."""
    return hub.evaluator.news.silences(every=ask.all)


@command("silences.expire", role=Role.OPERATOR)
def expire_silence(hub: "Hub", ask: ExpireSilence, caller: Caller) -> Silence:
    """End a silence now. What is firing under it is told at the next tick."""
    return hub.evaluator.news.expire(ask.silence_id)
