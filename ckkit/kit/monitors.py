"""`kit.monitors`: the rules, their evaluation, and what notebooks report."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ckkit.kit import standing
from ckkit.kit.asking import Namespace, completions, missing, records
from ckkit.kit.evaluation import EvaluationView
from ckkit.kit.lists import AlertList, MonitorList, Rows
from ckkit.kit.times import aware
from ckkit.model import Evaluation, Level, Monitor
from ckkit.views import cards

if TYPE_CHECKING:
    from ckkit.kit.kit import Kit


class Monitors(Namespace):
    """`kit.monitors["disk full"]`, `kit.monitors.evaluate(slot)`, `kit.monitors.report(name, levels, slot)`."""

    def list(self) -> MonitorList:
        """Return the monitors in force, by name."""
        reply = self._kit.wire.command("monitors.list", {})
        problems = {row["name"]: [_said(p) for p in row.get("problems", ())] for row in reply}
        now = standing.of_monitors(self._kit)
        return MonitorList.of(records("monitors.list", reply, tuple[Monitor, ...]), problems, now)

    def evaluate(self, slot: datetime | str | None = None, by: str = "", run_id: str = "") -> EvaluationView:
        """
        Judge every monitor at a slot, by default the newest, and return what that did.

        A slot counts once: where it was evaluated before, the answer is what was done then, and says `repeated`.
        """
        return self._viewed(self._ask("monitors.evaluate", Evaluation, slot=_slot(slot), by=by, run_id=run_id))

    def report(
        self,
        monitor: str,
        levels: Iterable[Mapping[str, Any]],
        slot: datetime | str | None = None,
        by: str = "",
    ) -> EvaluationView:
        """
        Say what level a monitor that a notebook judges has: one mapping a check, with `node`, `check` and `level`
        (ok, warn, critical, nodata), and perhaps `value` and `text`. It goes through the same states as any other.

        Raises:
            NotFound: no such monitor, node or check. Invalid: the monitor is judged by the hub.
        """
        given = [{**level, "level": str(Level(level["level"]))} for level in levels]
        return self._viewed(
            self._ask("monitors.report", Evaluation, monitor=monitor, levels=given, slot=_slot(slot), by=by)
        )

    def problems(self) -> Rows:
        """Return what is wrong with the files of monitors: file, line, message."""
        return Rows.of(self._ask("monitors.problems", tuple[dict[str, Any], ...]), "every monitor file is fine")

    def names(self) -> Sequence[str]:
        """Return the name of every monitor, in order."""
        return [monitor.name for monitor in self.list()]

    def _viewed(self, evaluation: Evaluation) -> EvaluationView:
        return EvaluationView(evaluation, self._kit.metrics.units())

    def __getitem__(self, name: str) -> "MonitorView":
        """Return the monitor of that name. Raises NotFound with the nearest names."""
        found = self.list()
        known = {monitor.name: monitor for monitor in found}
        if name not in known:
            raise missing("monitor", name, known)
        return MonitorView(self._kit, known[name], found.problems.get(name, ()))

    def __iter__(self) -> Iterator[Monitor]:
        return iter(self.list())

    def _ipython_key_completions_(self) -> Sequence[str]:
        return completions(self.names)

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return self.list()._repr_html_()


class MonitorView:
    """One monitor: its record, what is wrong with its file, and its alerts."""

    def __init__(self, kit: "Kit", record: Monitor, problems: Sequence[str] = ()) -> None:
        self._kit, self.record, self.problems = kit, record, tuple(problems)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def alerts(self) -> AlertList:
        """The alerts of this monitor, also those that are ok."""
        found = self._kit.alerts.list()
        return AlertList.of((a for a in found if a.monitor == self.name), found.units)

    def __repr__(self) -> str:
        words = ", ".join(f"{key} {value}" for key, value in cards.rule(self.record).items() if value)
        return f"<monitor {self.name}: {words}>"

    def _repr_html_(self) -> str:
        now = standing.of_monitors(self._kit).get(self.name)
        bad = [a for status in ("firing", "pending") for a in self._kit.alerts.list(status) if a.monitor == self.name]
        return cards.monitor(self.record, now, bad, self.problems, self._kit.metrics.units())


def _said(problem: Any) -> str:
    """A problem in one line, whether it comes as text or as file, line and message."""
    if not isinstance(problem, Mapping):
        return str(problem)
    return f"{problem.get('file', '')}:{problem.get('line', '')}: {problem.get('message', '')}".lstrip(":")


def _slot(slot: datetime | str | None) -> datetime | None:
    return aware(datetime.fromisoformat(slot) if isinstance(slot, str) else slot) if slot else None
