"""`kit.metrics`: what the values of each check type mean."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ckkit.errors import CkkitError
from ckkit.kit.asking import Namespace, completions, missing
from ckkit.kit.lists import MetricList
from ckkit.model import Metric

if TYPE_CHECKING:
    from ckkit.kit.kit import Kit

KEPT_S = 30.0  # metrics change when a check type is first seen: seldom, and a miss looks again at once
TOOK = "took_seconds"


class Metrics(Namespace):
    """`kit.metrics["cpu.busy_ratio"]`; every type also has `took_seconds`, the time that its check took."""

    def __init__(self, kit: "Kit") -> None:
        super().__init__(kit)
        self._known: dict[str, Metric] = {}
        self._known_at = float("-inf")

    def list(self, type: str | None = None) -> MetricList:
        """Return the metrics, of one check type where it is given, by type and position."""
        return MetricList(self._ask("metrics.list", tuple[Metric, ...], type=type))

    def known(self, *, fresh: bool = False) -> Mapping[str, Metric]:
        """Return every metric by `type.name`, as of at most half a minute ago."""
        if fresh or time.monotonic() - self._known_at > KEPT_S:
            found = {f"{metric.type}.{metric.name}": metric for metric in self.list()}
            kinds = dict.fromkeys(metric.type for metric in found.values())
            for kind in kinds:
                took = Metric(name=TOOK, type=kind, unit="seconds", help="how long the check took")
                found[f"{kind}.{TOOK}"] = took
            self._known, self._known_at = found, time.monotonic()
        return self._known

    def units(self) -> Mapping[str, str]:
        """Return the unit of every metric by `type.name`; nothing where the hub cannot say: it is only for looks."""
        try:
            return {name: metric.unit for name, metric in self.known().items()}
        except CkkitError:
            return {}

    def __getitem__(self, name: str) -> Metric:
        """Return the metric `type.name`. Raises NotFound with the nearest names."""
        found = self.known().get(name) or self.known(fresh=True).get(name)
        if found is None:
            raise missing("metric", name, self._known)
        return found

    def __iter__(self) -> Iterator[Metric]:
        return iter(self.list())

    def _ipython_key_completions_(self) -> Sequence[str]:
        return completions(self.known)

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return self.list()._repr_html_()
