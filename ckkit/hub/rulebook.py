"""
The monitors in force: the files of `monitors/` read when they change, checked, compiled into the store.

What is wrong with a file is in `problems`, and the version of the monitor that was in force stays: also over a restart,
for the store keeps it.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ckkit.alerts.monitorfile import Problem, Vocabulary, in_force, read_folder
from ckkit.alerts.plans import plan, watched
from ckkit.errors import Invalid
from ckkit.model import Check, Metric, Monitor, Node
from ckkit.rules import Plan
from ckkit.store.alerts import Alerts, Ticked

if TYPE_CHECKING:
    from ckkit.store import Store

Signature = tuple[tuple[str, int, int], ...]


class Rulebook:
    """Not safe to use from several threads, but for `touch`: the evaluator holds its lock."""

    def __init__(
        self, *, folder: Path, store: "Store", alerts: Alerts, declared: Callable[[], Iterable[Metric]]
    ) -> None:
        self.problems: tuple[Problem, ...] = ()
        self.nodes: dict[str, Node] = {}
        self.checks: dict[str, list[Check]] = {}
        self.plans: dict[str, Plan] = {}
        self._watches: list[tuple[Plan, list[Check]]] = []
        self._folder, self._store, self._alerts, self._declared = folder, store, alerts, declared
        self._addresses: tuple[str, ...] = ()
        self._seen: Signature | None = None
        self._touched = True

    def touch(self) -> None:
        """Nodes, checks or the configuration changed: read everything again at the next tick."""
        self._touched = True

    def configure(self, addresses: Iterable[str]) -> None:
        """Say which addresses monitors may name."""
        self._addresses = tuple(addresses)
        self.touch()

    def sync(self, slot: datetime) -> Ticked | None:
        """
        Put in force what the files say now. Returns what ended by it; None where nothing changed.

        Raises:
            StoreError: the store cannot take it: what was in force stays, and the next call tries again.
        """
        seen = _signature(self._folder)
        if not self._touched and seen == self._seen and not self._alerts.unresolved():
            return None
        self._touched = False
        try:
            ticked = self._apply(slot)
        except BaseException:
            self._touched = True
            raise
        self._seen = seen
        return ticked

    def monitors(self) -> list[Monitor]:
        """Return the monitors in force, by name."""
        return self._alerts.monitors()

    def checks_of(self, monitor: str) -> Sequence[Check]:
        """Return the checks that a monitor watches."""
        return next((checks for plan, checks in self._watches if plan.monitor.name == monitor), ())

    def _apply(self, slot: datetime) -> Ticked:
        self.nodes = {node.name: node for node in self._store.inventory.nodes()}
        self.checks = {}
        for check in self._store.inventory.checks():
            self.checks.setdefault(check.node, []).append(check)
        words = self._vocabulary()
        reading = read_folder(self._folder, words)
        problems = list(reading.problems)
        watches: list[tuple[Plan, list[Check]]] = []
        for monitor in in_force(reading, self._alerts.monitors()):
            try:
                made = plan(monitor, words.metrics.get(monitor.check, ()))
                watches.append((made, watched(monitor, self.nodes.values(), self.checks)))
            except Invalid as error:
                # Its file is wrong now, and the version in force speaks of what is there no more.
                message = f"the version of {monitor.name} in force cannot be used any more: {error.message}"
                problems.append(Problem(file=monitor.file, line=1, message=message, monitor=monitor.name))
        ticked = self._alerts.apply(watches, slot)
        self._watches, self.problems = watches, tuple(problems)
        self.plans = {made.monitor.name: made for made, _ in watches}
        return ticked

    def _vocabulary(self) -> Vocabulary:
        metrics: dict[str, list[str]] = {}
        for metric in (*self._declared(), *(metric for _, metric in self._store.inventory.metrics())):
            known = metrics.setdefault(metric.type, [])
            if metric.name not in known:
                known.append(metric.name)
        tags = sorted({tag for node in self.nodes.values() for tag in node.tags})
        return Vocabulary(metrics=metrics, tags=tags, addresses=self._addresses, verify=self._alerts.verify)


def _signature(folder: Path) -> Signature:
    """What tells that a file was written, made or removed."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append((path.name, status.st_mtime_ns, status.st_size))
    return tuple(found)
