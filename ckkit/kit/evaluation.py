"""What a tick did, in the five views that `evaluate_monitors.ipynb` shows, each from one call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ckkit.kit.lists import AlertList, AlertView, DecisionList, Steps, TransitionList
from ckkit.model import Alert, Evaluation
from ckkit.views import cards, records


@dataclass(frozen=True, slots=True)
class Summary:
    """The slot, who evaluated it, and the counts."""

    evaluation: Evaluation

    def __repr__(self) -> str:
        e = self.evaluation
        return (
            f"slot {e.slot:%Y-%m-%d %H:%M:%S} UTC by {e.by or 'nobody'}: {e.monitors} monitors, {e.instances} "
            f"instances, {len(e.transitions)} changed, {e.took_seconds:.3f} s"
            + (" (evaluated before: nothing was done)" if e.repeated else "")
        )

    def _repr_html_(self) -> str:
        return cards.evaluation(self.evaluation)


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """One evaluation. `record` is the plain record; each property is one thing to look at."""

    record: Evaluation
    units: Mapping[str, str]

    @property
    def slot(self) -> datetime:
        return self.record.slot

    @property
    def repeated(self) -> bool:
        """True where the slot had been evaluated before: nothing was done now."""
        return self.record.repeated

    @property
    def summary(self) -> Summary:
        return Summary(self.record)

    @property
    def instances(self) -> AlertList:
        """Every instance that is not ok, or changed: its value, condition, window and the time of its result."""
        return AlertList.of(self.record.alerts, self.units, "every instance is ok and none changed")

    @property
    def transitions(self) -> TransitionList:
        return TransitionList(self.record.transitions)

    @property
    def decisions(self) -> DecisionList:
        """Whom each alert was told to, and why it was not."""
        return DecisionList(self.record.decisions)

    @property
    def steps(self) -> Steps:
        """The seconds of each step."""
        return Steps(self.record.steps)

    def __repr__(self) -> str:
        return repr(self.summary)

    def _repr_html_(self) -> str:
        return self.summary._repr_html_() + cards.stacked(
            records.alerts(self.instances, self.units, "not ok, or changed", self.instances.empty),
            records.transitions(self.transitions, "transitions"),
            records.decisions(self.decisions, "notifications decided"),
            records.steps(self.steps, "time of each step"),
        )


def viewed(alerts: tuple[Alert, ...]) -> tuple[AlertView, ...]:
    """Return the alerts as ones that show themselves."""
    return tuple(AlertView(**{name: getattr(a, name) for name in a.__dataclass_fields__}) for a in alerts)
