"""
Evaluation: each slot is judged once, people are told, and the evidence is returned.

Notebooks evaluate: `monitors.evaluate` comes here from `scheduled/evaluate_monitors.ipynb`. A slot that nobody has
judged by its deadline is judged by the hub itself, which says so with the notice `evaluator late` until a notebook
evaluates again. Slots lie on a fixed grid: a late call judges the newest slot, and those left out count as missed.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ckkit.alerts.monitorfile import Problem
from ckkit.config import Config, Workspace, duration
from ckkit.errors import CkkitError, Invalid, NotFound
from ckkit.hub.rulebook import Rulebook
from ckkit.hub.telling import Teller
from ckkit.model import EPOCH, Alert, Evaluation, Event, Level, Metric, Status, Transition
from ckkit.plugins import load
from ckkit.protocols import Notifier
from ckkit.store.alert_news import News
from ckkit.store.alerts import Alerts, Reported, Slot, Ticked
from ckkit.tomlfile import nearest

if TYPE_CHECKING:
    from ckkit.hub.notices import Notices
    from ckkit.store import Store

LATE = "evaluator late"
HUB = "hub"
EARLY = timedelta(seconds=1)
"""A caller's timer may go off a little before the slot."""


def utcnow() -> datetime:
    return datetime.now(UTC)


def slot_of(moment: datetime, every: timedelta) -> datetime:
    """
    Return the newest slot at a moment.

    >>> slot_of(datetime(2026, 1, 1, 12, 0, 19, tzinfo=UTC), timedelta(seconds=10)).second
    10
    """
    return EPOCH + (moment - EPOCH) // every * every


def late_slot(now: datetime, every: timedelta, deadline: timedelta) -> datetime:
    """Return the newest slot whose deadline has passed."""
    return slot_of(now - deadline, every)


class Evaluator:
    """`start`, `stop` and `apply` are for the hub; the rest answers commands, from any thread."""

    def __init__(
        self,
        *,
        workspace: Workspace,
        store: "Store",
        notices: "Notices",
        clock: Callable[[], datetime] = utcnow,
        notifiers: Mapping[str, Notifier] | None = None,
        declared: Sequence[Metric] | None = None,
        pages: Callable[[], str] = str,
    ) -> None:
        """`pages` says where the dashboards answer now, where they do; `public_url` of ckkit.toml goes before it."""
        self.workspace = workspace
        self.alerts = Alerts(store, clock)
        self.news = News(store, clock, self.alerts.plan)
        found = declared if declared is not None else _declared()
        self.rulebook = Rulebook(folder=workspace.monitors, store=store, alerts=self.alerts, declared=lambda: found)
        made = notifiers if notifiers is not None else {name: kind() for name, kind in load("ckkit.notifiers").items()}
        self.teller = Teller(
            memory=self.news,
            rulebook=self.rulebook,
            notifiers=made,
            notices=notices,
            clock=clock,
            elapsed=time.monotonic,
        )
        self.last: Evaluation | None = None
        """What was evaluated last in this process."""
        self._store, self._notices, self._clock, self._pages = store, notices, clock, pages
        self._every, self._deadline = timedelta(seconds=10), timedelta(seconds=5)
        self._config = Config()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._begin = clock()
        self._thread = threading.Thread(target=self._watch_deadlines, name="ckkit-evaluator", daemon=True)

    def start(self, config: Config) -> None:
        """Take the configuration, put the monitors in force, and see to it from now on that each slot is judged."""
        self.apply(config)
        self._store.on_commit(self._committed)
        self._begin = self._clock()
        with self._lock:
            self._synced(slot_of(self._begin, self._every))
        self._thread.start()

    def stop(self) -> None:
        """End; a slot that is being judged is finished. Notifications that are not sent are sent after a restart."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(10.0)
        self.teller.stop()

    def apply(self, config: Config) -> None:
        """Take the configuration: the slots, the addresses, the routes."""
        with self._lock:
            self._config = config
            self._every, self._deadline = config.hub.every, duration(config.hub.deadline)
            usual = f"http://127.0.0.1:{config.dashboards.port}"
            self.teller.configure(config, self.workspace.path, lambda: config.public_url or self._pages() or usual)
            self.rulebook.configure(config.addresses)

    @property
    def config(self) -> Config:
        return self._config

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the monitor files."""
        return self.rulebook.problems

    def look(self) -> tuple[Problem, ...]:
        """Read the monitor files now, and not only at the next slot; return what is wrong with them."""
        with self._lock:
            self._synced(slot_of(self._clock(), self._every))
        return self.problems

    def last_slot(self) -> Slot | None:
        """Return the slot that was judged last, by whom: also before this process began."""
        return self.alerts.last_slot()

    def evaluate(self, slot: datetime | None = None, by: str = "", run_id: str = "") -> Evaluation:
        """
        Judge a slot (by default the newest), decide who is told, and return the evidence.

        A slot that was judged is not judged again: what was done then is returned, and says `repeated`. Of a slot
        that is not the newest any more, the newest is judged in its place.

        Raises:
            Invalid: a slot that has not come yet.
            StoreError: the store cannot take it: nothing has changed.
        """
        with self._lock:
            now = self._clock()
            asked = slot_of(slot if slot is not None else now, self._every)
            if asked > now + EARLY:
                raise Invalid(f"the slot {asked:%Y-%m-%d %H:%M:%S} UTC has not come yet: it is {now:%H:%M:%S}")
            before = self.alerts.last_slot()
            if before is not None and before.slot >= asked:
                return self._repeated(before)
            return self._evaluated(max(asked, slot_of(now, self._every)), by, run_id)

    def report(self, monitor: str, slot: datetime | None, levels: Sequence[Mapping[str, Any]], by: str) -> Evaluation:
        """
        Take the levels that a notebook found for its monitor, a mapping with node, check, level, value, text each.

        Raises:
            NotFound: no such monitor, or a check that it does not watch. Invalid: it has conditions of its own.
        """
        with self._lock:
            started = time.perf_counter()
            moment = slot if slot is not None else slot_of(self._clock(), self._every)
            self._synced(moment)
            reports = [self._reported(monitor, level) for level in levels]
            ticked = self.alerts.report(monitor, moment, reports, by)
            return self._told(ticked, by, {}, started)

    def listed(self, status: str | None = None) -> list[Alert]:
        """Return the alerts of watched checks; those that are not ok with what the last tick measured."""
        now = {(a.monitor, a.check_id): a for a in self.last.alerts} if self.last else {}
        found = []
        for alert in self.alerts.listed(status):
            fresh = now.get((alert.monitor, alert.check_id))
            if fresh is not None and fresh.status is alert.status and fresh.status is not Status.OK:
                alert = replace(alert, value=fresh.value, text=fresh.text, result_at=fresh.result_at)
            found.append(alert)
        return found

    def _synced(self, slot: datetime) -> tuple[Transition, ...]:
        ticked = self.rulebook.sync(slot)
        if ticked is None:
            return ()
        if self.problems:
            first = self.problems[0].message
            more = f" (and {len(self.problems) - 1} more: `ckkit monitors`)" if self.problems[1:] else ""
            self._notices.raise_("monitors", "warn", f"{first}{more}; the version before stays in force")
        else:
            self._notices.clear("monitors")
        return ticked.transitions

    def _evaluated(self, slot: datetime, by: str, run_id: str) -> Evaluation:
        started = time.perf_counter()
        ended = self._synced(slot)
        steps = {"monitors": time.perf_counter() - started}
        ticked = self.alerts.tick(slot, by, self._every, run_id)
        if not ticked.repeated:
            self._noticed(ticked.slot, by)
        evaluation = self._told(replace(ticked, transitions=(*ended, *ticked.transitions)), by, steps, started)
        self.last = evaluation
        return evaluation

    def _told(self, ticked: Ticked, by: str, steps: Mapping[str, float], started: float) -> Evaluation:
        begun = time.perf_counter()
        decisions = self.teller.decide(ticked.transitions)
        ended = time.perf_counter()
        return Evaluation(
            slot=ticked.slot.slot,
            by=ticked.slot.by if ticked.repeated else by,
            monitors=ticked.slot.monitors,
            instances=ticked.slot.instances,
            took_seconds=ended - started,
            repeated=ticked.repeated,
            alerts=ticked.alerts,
            transitions=ticked.transitions,
            decisions=decisions,
            steps={**steps, **ticked.steps, "notify": ended - begun},
        )

    def _repeated(self, before: Slot) -> Evaluation:
        if self.last is not None and self.last.slot == before.slot:
            return replace(self.last, repeated=True)
        firing = [alert for alert in self.alerts.listed() if alert.status is not Status.OK]
        return Evaluation(
            slot=before.slot,
            by=before.by,
            monitors=before.monitors,
            instances=before.instances,
            took_seconds=before.took_s,
            repeated=True,
            alerts=tuple(firing),
            transitions=tuple(self.alerts.transitions_at(before.slot)),
        )

    def _reported(self, monitor: str, level: Mapping[str, Any]) -> Reported:
        checks = {(check.node, check.name): check for check in self.rulebook.checks_of(monitor)}
        key = (str(level["node"]), str(level["check"]))
        check = checks.get(key)
        if check is None or check.check_id is None:
            names = [f"{node}/{name}" for node, name in checks]
            raise NotFound(f"the monitor {monitor!r} watches no check {'/'.join(key)}{nearest('/'.join(key), names)}")
        value = level.get("value")
        return Reported(
            check_id=check.check_id,
            level=Level(level["level"]),
            value=None if value is None else float(value),
            text=str(level.get("text") or ""),
        )

    def _noticed(self, done: Slot, by: str) -> None:
        if by == HUB:
            text = f"no notebook had judged the slot {done.slot:%H:%M:%S} UTC by its deadline: the hub did"
            self._notices.raise_(LATE, "warn", f"{text}; see `ckkit logs runner`")
        else:
            self._notices.clear(LATE)
        if done.errors:
            said = "; ".join(f"{name}: {error}" for name, error in done.errors.items())
            self._notices.raise_("conditions", "warn", f"cannot be evaluated, and left as they were: {said}")
        else:
            self._notices.clear("conditions")
        self._notices.clear("evaluation")

    def _committed(self, events: Sequence[Event]) -> None:
        """Called by the store's writer: it must not wait for us, so the next tick does the work."""
        if any(event.topic in ("nodes", "checks") for event in events):
            self.rulebook.touch()

    def _watch_deadlines(self) -> None:
        while not self._stopping.wait(self._patience_s()):
            self._judge_if_late()

    def _judge_if_late(self) -> None:
        """Judge the newest slot whose deadline has passed, if nobody has. Never raises: says so on the overview."""
        due = late_slot(self._clock(), self._every, self._deadline)
        if due < self._begin:
            return
        try:
            before = self.alerts.last_slot()
            if before is None or before.slot < due:
                self.evaluate(due, HUB)
        except CkkitError as error:
            self._notices.raise_("evaluation", "critical", f"the slot {due:%H:%M:%S} UTC is not judged: {error}")
        except Exception as error:  # noqa: BLE001  the border of this loop: a bug here must not end evaluation
            said = f"{type(error).__name__}: {error}"
            self._notices.raise_("evaluation", "critical", f"the slot {due:%H:%M:%S} UTC is not judged: {said}")

    def _patience_s(self) -> float:
        """Seconds until the next deadline; at most one, for the clock may be set."""
        now = self._clock()
        following = late_slot(now, self._every, self._deadline) + self._every + self._deadline
        return min(max((following - now).total_seconds(), 0.01), 1.0)


def _declared() -> list[Metric]:
    """The metrics that the installed check types declare."""
    return [replace(metric, type=name) for name, kind in load("ckkit.checks").items() for metric in kind.metrics]
