"""
The last points of a metric for a set of checks, and the newest state of each check, in numpy arrays.

A point is a slot: `ts // every`. Slot `s` lies in column `s % points`, so time goes on without moving anything.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Fold = Literal["max", "sum"]


class Rows:
    """Where each check lies: a row of an array. Checks are in the order of their ids."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = np.array(sorted(ids), np.int64)

    def find(self, ids: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return the row of each id, and which of them are known; the row of an unknown one means nothing."""
        if not len(self.ids):
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return rows, self.ids[rows] == ids


class Ring:
    """Values by check and slot; NaN where there is none. Of two results in one slot the later one stays."""

    def __init__(self, ids: Sequence[int], points: int) -> None:
        self.rows, self.points, self.newest = Rows(ids), points, -1
        self._values: Floats = np.full((len(self.rows.ids), points), np.nan)

    def feed(self, ids: Ints, slots: Ints, values: Floats, latest: int) -> None:
        """Take values; those older than the ring, or after the slot `latest` (a clock that jumped), are left out."""
        rows, known = self.rows.find(ids)
        known &= (slots <= latest) & ~np.isnan(values)
        if not known.any():
            return
        self.advance(int(slots[known].max()))
        known &= slots > self.newest - self.points
        self._values[rows[known], slots[known] % self.points] = values[known]

    def advance(self, slot: int) -> None:
        """Let time go on: the slots after the newest, until this one, have no values yet."""
        if slot > self.newest:
            first = max(self.newest + 1, slot - self.points + 1)
            self._values[:, np.arange(first, slot + 1) % self.points] = np.nan
            self.newest = slot

    def window(self, end: int) -> Floats:
        """Return the values of the `points` slots until `end`, one row a check, oldest first."""
        self.advance(end)
        return self._values[:, np.arange(end - self.points + 1, end + 1) % self.points]

    def take_over(self, other: "Ring") -> None:
        """Keep what another ring knows of the same checks."""
        rows, known = other.rows.find(self.rows.ids)
        self.newest = other.newest
        self._values[known] = other._values[rows[known]]


class Health:
    """The newest result of each check: when (ms since the epoch, 0 is never) and its state."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.rows = Rows(ids)
        self.seen: Ints = np.zeros(len(self.rows.ids), np.int64)
        self.state: npt.NDArray[np.uint8] = np.zeros(len(self.rows.ids), np.uint8)

    def feed(self, ids: Ints, ts: Ints, states: npt.NDArray[np.uint8]) -> None:
        rows, known = self.rows.find(ids)
        rows, ts, states = rows[known], ts[known], states[known]
        np.maximum.at(self.seen, rows, ts)
        newest = self.seen[rows] == ts
        self.state[rows[newest]] = states[newest]

    def take_over(self, other: "Health") -> None:
        rows, known = other.rows.find(self.rows.ids)
        self.seen[known], self.state[known] = other.seen[rows[known]], other.state[rows[known]]


class Grouping:
    """Which rows (checks) belong to which group (node); `groups[i]` is the group of row i."""

    def __init__(self, groups: Sequence[int], count: int) -> None:
        self._count = count
        found = np.array(groups, np.int64)
        self._order = np.argsort(found, kind="stable")
        ordered = found[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(found) else found
        self._groups = ordered[self._starts]

    def fold(self, values: npt.NDArray[Any], how: Fold, empty: float = np.nan) -> Any:
        """Return one row a group: of its rows the greatest, or their sum; NaN counts as absent."""
        out = np.full((self._count, *values.shape[1:]), empty, values.dtype)
        if len(self._starts):
            ordered = values[self._order]
            if how == "max":
                out[self._groups] = np.fmax.reduceat(ordered, self._starts, axis=0)
            else:
                found = np.add.reduceat(np.nan_to_num(ordered), self._starts, axis=0)
                absent = np.logical_and.reduceat(np.isnan(ordered), self._starts, axis=0)
                out[self._groups] = np.where(absent, empty, found)
        return out
