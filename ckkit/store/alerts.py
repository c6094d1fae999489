"""
The alerts in the store: monitors in force, ticks, what people are told, silences.

    alerts = Alerts(store)
    alerts.apply(plans, watches, slot)      # monitors, or what they watch, changed
    alerts.tick(slot, by="notebook")        # judges a slot, once
    alerts.news()                           # of what somebody may have to be told

Each call is one transaction: it happened or it did not. A condition that the database cannot evaluate leaves its
monitor's alerts as they are, and is told in the tick's `errors`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ckkit.errors import CkkitError, Invalid, NotFound, SqlError
from ckkit.model import Alert, Monitor, Transition
from ckkit.rules import Compiled, Plan, Watches
from ckkit.store import alert_tick as ticking
from ckkit.store.alert_compile import compile_thresholds, keep_versions, monitor_of
from ckkit.store.alert_news import forget
from ckkit.store.alert_rows import Row, alert_of, transition_of
from ckkit.store.alert_tick import ALL, Reported, Slot
from ckkit.store.compose_conditions import Composed, compose
from ckkit.store.compose_conditions import statement as compose_statement
from ckkit.store.statements import statement
from ckkit.store.times import naive

if TYPE_CHECKING:
    from ckkit.store import Store, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """What a tick, a report or a change of monitors did. `repeated`: the slot had been judged, nothing was done."""

    slot: Slot
    repeated: bool = False
    alerts: tuple[Alert, ...] = ()
    transitions: tuple[Transition, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict)


class Alerts:
    """Safe to use from several threads; ticks and changes of monitors go one after the other."""

    def __init__(self, store: "Store", clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock
        self._lock = Lock()
        self._compiled: dict[int, Compiled] = {}
        self._composed = Composed()

    # monitors

    def monitors(self) -> list[Monitor]:
        """Return the monitors in force, by name, as the store keeps them over a restart."""
        rows = self._store.query("select * from monitors where valid_to is null order by name").to_pylist()
        return [monitor_of(row) for row in rows]

    def verify(self, plan: Plan) -> None:
        """Have the database read the conditions of a plan. Raises SqlError, naming the monitor, where it cannot."""
        if plan.kind != "statement":
            return
        text = compose_statement(plan, self._positions().get(plan.monitor.check, {}))
        at = {"slot": naive(self._clock()), "monitor": 0, "longest_ms": 1}
        try:
            self._store.query("explain " + text, at)
        except CkkitError as error:
            said = str(error).splitlines()[0]
            raise SqlError(f"the database cannot read a condition of {plan.monitor.name}: {said}") from None

    def apply(self, watches: Watches, slot: datetime) -> Ticked:
        """
        Put these monitors in force, on these checks, and end the alerts of what is not watched any more.

        Returns the alerts that ended. Applying what is in force already changes nothing.
        """
        positions = self._positions()
        plans = [plan for plan, _ in watches]

        def write(tx: "Tx") -> tuple[list[Compiled], Ticked]:
            compiled = keep_versions(tx.cur, plans, self._clock())
            compile_thresholds(tx.cur, compiled, watches, slot)
            moved = ticking.step(tx.cur, slot, "alerts_unwatched")
            transitions = self._transitions(tx, slot, moved, "")
            tx.cur.execute(
                "update alerts set watched = false where watched and alert_id not in (select alert_id from thresholds)"
            )
            forget(tx.cur)
            at = self._clock()
            done = Slot(slot=slot, by="", at=at, up_since=slot, monitors=len(plans))
            return compiled, Ticked(slot=done, transitions=transitions)

        with self._lock:
            compiled, ticked = self._store.write(write)
            self._compiled = {c.monitor_id: c for c in compiled}
            self._composed = compose(compiled, watches, positions)
        return ticked

    def unresolved(self) -> bool:
        """Say whether a metric that had no position when its monitor was compiled has one now: compile it again."""
        waiting = self._composed.unresolved
        known = self._positions() if waiting else {}
        return any(column in known.get(type, ()) for type, column in waiting)

    def _positions(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for row in self._store.query("select type, name, position from metrics").to_pylist():
            found.setdefault(row["type"], {})[row["name"]] = row["position"]
        return found

    # ticks

    def last_slot(self, group: str = ALL) -> Slot | None:
        """Return the newest slot that was judged, or None."""
        return ticking.slot_of(self._store.query(ticking.LAST_SLOT, ticking.last_slot_at(group, self._clock())))

    def tick(self, slot: datetime, by: str, every: timedelta, run_id: str = "") -> Ticked:
        """
        Judge a slot. A slot that was judged, or that is older than one that was, is not judged again.

        `every` is the time between slots: those left out since the last one are counted as missed.
        """
        with self._lock:
            started = perf_counter()
            found, failed = self._free_conditions(slot)
            steps = {"conditions": perf_counter() - started}

            def write(tx: "Tx") -> tuple[Ticked, list[Row]]:
                return self._judge(tx, slot, by, every, run_id, found, failed, steps)

            begun = perf_counter()
            ticked, rows = self._store.write(write)
            written = perf_counter()
            steps["commit"] = max(0.0, written - begun - sum(steps.values()) + steps["conditions"])
            alerts = tuple(self._alert(row) for row in rows)
            steps["show"] = steps.get("show", 0.0) + perf_counter() - written
            return replace(ticked, alerts=alerts)

    def _judge(
        self,
        tx: "Tx",
        slot: datetime,
        by: str,
        every: timedelta,
        run_id: str,
        found: Sequence[pa.Table],
        failed: Mapping[int, str],
        steps: dict[str, float],
    ) -> tuple[Ticked, list[Row]]:
        now = self._clock()
        before = ticking.last_slot(tx.cur, ALL, now)
        if before is not None and before.slot >= slot:
            return Ticked(slot=before, repeated=True, steps=steps), []
        up_since, missed = ticking.follows(slot, before, every)
        timer = ticking.Timer(steps)
        ticking.find_levels(tx.cur, slot, up_since, self._composed, found, failed)
        timer.lap("levels")
        moved = ticking.step(tx.cur, slot)
        transitions = self._transitions(tx, slot, moved, by)
        timer.lap("step")
        done = Slot(
            slot=slot,
            by=by,
            at=now,
            up_since=up_since,
            run_id=run_id,
            monitors=len(self._compiled),
            instances=self._composed.judged,
            missed=missed,
            took_s=sum(steps.values()),
            errors={self._compiled[number].plan.monitor.name: said for number, said in failed.items()},
        )
        ticking.write_slot(tx.cur, ALL, done)
        rows = ticking.shown(tx.cur)
        if rows:
            ticking.refresh(tx.cur)
        timer.lap("show")
        return Ticked(slot=done, transitions=transitions, steps=steps), rows

    def _free_conditions(self, slot: datetime) -> tuple[list[pa.Table], dict[int, str]]:
        """Evaluate the statements, each by itself and outside of any transaction: one that fails concerns no other."""
        found: list[pa.Table] = []
        failed: dict[int, str] = {}
        for number, (text, longest_ms) in self._composed.statements.items():
            at = {"slot": naive(slot), "monitor": number, "longest_ms": longest_ms}
            try:
                found.append(self._store.query(text, at).cast(ticking.TICK_VALUES))
            except (CkkitError, pa.ArrowException) as error:
                failed[number] = str(error).splitlines()[0]
        return found, failed

    def report(self, name: str, slot: datetime, levels: Sequence[Reported], by: str) -> Ticked:
        """
        Take the levels that a notebook found for its monitor, through the same states as any other. Once a slot.

        Raises:
            NotFound: there is no such monitor, or it does not watch one of the checks.
            Invalid: the monitor is judged by its conditions.
        """
        compiled = next((c for c in self._compiled.values() if c.plan.monitor.name == name), None)
        if compiled is None:
            raise NotFound(f"no monitor {name!r} is in force: write it into monitors/*.toml with reported = true")
        if compiled.plan.kind != "report":
            raise Invalid(f"the monitor {name!r} is judged by its conditions: give it reported = true to report it")
        group = f"report:{name}"

        def write(tx: "Tx") -> Ticked:
            now = self._clock()
            before = ticking.last_slot(tx.cur, group, now)
            if before is not None and before.slot >= slot:
                return Ticked(slot=before, repeated=True)
            steps: dict[str, float] = {}
            timer = ticking.Timer(steps)
            ticking.take_reports(tx.cur, compiled.monitor_id, slot, levels)
            moved = ticking.step(tx.cur, slot)
            transitions = self._transitions(tx, slot, moved, by)
            tx.cur.execute(
                "update alerts set result_at = l.result_at, value = l.value, text = l.text "
                "from tick_levels l where l.alert_id = alerts.alert_id"
            )
            timer.lap("step")
            done = Slot(
                slot=slot, by=by, at=now, up_since=slot, monitors=1, instances=len(levels), took_s=steps["step"]
            )
            ticking.write_slot(tx.cur, group, done)
            alerts = (self._alert(row) for row in ticking.shown(tx.cur))
            own = tuple(alert for alert in alerts if alert.monitor == name)
            return Ticked(slot=done, alerts=own, transitions=transitions, steps=steps)

        with self._lock:
            return self._store.write(write)

    def _transitions(self, tx: "Tx", slot: datetime, moved: int, by: str) -> tuple[Transition, ...]:
        """Return what moved, and tell of it in the same transaction."""
        if not moved:
            return ()
        rows = ticking.moves(tx.cur, slot)
        nodes = sorted({row["node"] for row in rows})
        firing = sum(row["after"] == "firing" for row in rows)
        payload = {"slot": slot.isoformat(), "by": by, "count": moved, "firing": firing, "nodes": nodes[:200]}
        tx.emit("transitions", "", payload)
        return tuple(transition_of(row) for row in rows)

    def _alert(self, row: Mapping[str, Any]) -> Alert:
        compiled = self._compiled.get(row["monitor_id"])
        return alert_of(row, compiled.plan if compiled else None)

    def listed(self, status: str | None = None) -> list[Alert]:
        """Return the alerts of all checks that are watched, the worst first."""
        rows = self._store.query(statement("alerts_listed"), {"status": status}).to_pylist()
        return [self._alert(row) for row in rows]

    def transitions_at(self, slot: datetime) -> list[Transition]:
        """Return what changed at a slot, by node, check and monitor."""
        rows = self._store.query(
            'select * from transitions where slot = $slot order by node, "check", monitor', {"slot": naive(slot)}
        ).to_pylist()
        return [transition_of(row) for row in rows]

    def plan(self, name: str) -> Plan | None:
        """Return the plan of a monitor in force."""
        return next((c.plan for c in self._compiled.values() if c.plan.monitor.name == name), None)


__all__ = ["Alerts", "Reported", "Slot", "Ticked"]
