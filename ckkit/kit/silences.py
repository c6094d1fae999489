"""`kit.silences`: times in which nobody is told."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ckkit.durations import duration
from ckkit.errors import Invalid
from ckkit.kit.asking import Namespace
from ckkit.kit.lists import SilenceList
from ckkit.kit.times import aware
from ckkit.model import Silence


class Silences(Namespace):
    """`kit.silences.add("tag:web", lasts="2h", comment="new disks")`."""

    def add(
        self,
        nodes: str = "*",
        monitor: str = "*",
        *,
        lasts: str | timedelta | None = None,
        ends: datetime | None = None,
        starts: datetime | None = None,
        comment: str,
    ) -> Silence:
        """
        Ask for quiet about the monitors (a glob) on the nodes (a query), from now or `starts` on.

        Raises:
            Invalid: neither `lasts` nor `ends`, or both. QueryError: the node query.
        """
        if (lasts is None) == (ends is None):
            raise Invalid("a silence needs either `lasts` (2h) or `ends` (a time)")
        return self._ask(
            "silences.add",
            Silence,
            nodes=nodes,
            monitor=monitor,
            lasts=None if lasts is None else duration(lasts),
            ends=None if ends is None else aware(ends),
            starts=None if starts is None else aware(starts),
            comment=comment,
        )

    def list(self, all: bool = False) -> SilenceList:
        """Return the silences in force or to come; with `all` also those that ended."""
        return SilenceList(self._ask("silences.list", tuple[Silence, ...], all=all))

    def expire(self, silence: int | Silence) -> Silence:
        """End a silence now, and return it as it is then. Raises NotFound."""
        number = silence.silence_id if isinstance(silence, Silence) else silence
        return self._ask("silences.expire", Silence, silence_id=number)

    def __iter__(self) -> Iterator[Silence]:
        return iter(self.list())

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return self.list()._repr_html_()
