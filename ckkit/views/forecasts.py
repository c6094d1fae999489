"""Forecasts of disks, as a table: how bad, how soon, how it grows, and from how much history."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol

from ckkit.durations import show_duration
from ckkit.model import Level
from ckkit.views.tables import Cell, Column, Table, levelled, number, tabulate, text


class Forecast(Protocol):
    """What is drawn of one disk; `left` is None when no end is in sight."""

    @property
    def node(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def level(self) -> Level: ...
    @property
    def text(self) -> str: ...
    @property
    def points(self) -> int: ...
    @property
    def left(self) -> timedelta | None: ...
    @property
    def bytes_per_hour(self) -> float | None: ...


def forecasts(items: Iterable[Forecast], title: str = "") -> Table:
    """Return the table of forecasts, in the order they are given."""
    columns = [
        Column("level", lambda f: levelled(f.level)),
        Column("node", lambda f: text(f.node)),
        Column("disk", lambda f: text(f.instance)),
        Column("full in", lambda f: Cell(_left(f.left), "number")),
        Column("an hour", lambda f: _growth(f.bytes_per_hour)),
        Column("says", lambda f: text(f.text)),
        Column("points", lambda f: number(f.points)),
    ]
    return tabulate(title, columns, items, "no disk is watched: the check `disk` of this machine does, and an agent's")


def _left(left: timedelta | None) -> str:
    return "" if left is None else show_duration(timedelta(minutes=left // timedelta(minutes=1)))


def _growth(bytes_per_hour: float | None) -> Cell:
    return Cell("", "number") if bytes_per_hour is None else number(bytes_per_hour, "bytes")
