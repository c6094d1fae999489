"""
Telling people: of every alert that is news, the list of judges decides, then the routes, then it is sent and recorded.

What was decided and not yet settled is in flight in memory; what an address knows is in the store. So a restart decides
anew exactly what no address has acknowledged.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ckkit.alerts.delivery import Attempt, Delivery, Job, Key
from ckkit.alerts.judges import News, Quiet, judge, why
from ckkit.alerts.reasons import Reason
from ckkit.alerts.rendering import Surroundings, render, trial_message
from ckkit.alerts.routing import Route, route
from ckkit.config import Config
from ckkit.errors import ConfigError, DeliveryFailed, NotFound
from ckkit.hub.rulebook import Rulebook
from ckkit.model import Address, Alert, Decision, Level, Node, Status, Transition
from ckkit.nodequery import Facts, parse
from ckkit.protocols import Notifier
from ckkit.store.alert_news import News as Memory
from ckkit.store.alert_news import Note, Open
from ckkit.tomlfile import nearest

if TYPE_CHECKING:
    from ckkit.hub.notices import Notices

TOLD = "told"


@dataclass(slots=True)
class _Verdicts:
    """What one round decided, to be written at once."""

    decisions: list[Decision] = field(default_factory=list)
    settled: dict[int, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    forgotten: list[tuple[int, str]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)


class Teller:
    """`decide` is called by the evaluator, under its lock; `record` by the threads of delivery."""

    def __init__(
        self,
        *,
        memory: Memory,
        rulebook: Rulebook,
        notifiers: Mapping[str, Notifier],
        notices: "Notices",
        clock: Callable[[], datetime],
        elapsed: Callable[[], float],
    ) -> None:
        self.delivery = Delivery(notifiers, self.record, clock, elapsed)
        self.problems: dict[str, str] = {}
        self._memory, self._rulebook, self._notices, self._clock = memory, rulebook, notices, clock
        self._addresses: dict[str, Address] = {}
        self._routes: list[Route] = []
        self._pages: Callable[[], str] = str
        self._account = ""

    def configure(
        self, config: Config, base: Path, pages: Callable[[], str], env: Mapping[str, str] = os.environ
    ) -> None:
        """
        Take addresses and routes. An address without a URL is in `problems`, and the others go on.

        `pages` says where the dashboards are, when a message is written: their port may be another from start to start.
        """
        self.problems, self._addresses = {}, {}
        for name, address in config.addresses.items():
            try:
                self._addresses[name] = address.resolve(name, base, env)
            except (ConfigError, OSError) as error:
                self.problems[name] = str(error)
        self._routes = [Route(way.monitor, parse(way.nodes), way.to) for way in config.routes]
        self._pages = pages
        self._account = config.this_machine.node
        if self.problems:
            self._notices.raise_("addresses", "warn", "; ".join(self.problems.values()))
        else:
            self._notices.clear("addresses")
        self._memory.reconsider()

    def stop(self) -> None:
        self.delivery.stop()

    def decide(self, transitions: Iterable[Transition]) -> tuple[Decision, ...]:
        """Decide about every alert that is news, send what passes, write down the rest; return what was decided."""
        now = self._clock()
        # In this order: what lands between the two is skipped for a tick. The other way round it would be sent twice.
        flying = self.delivery.in_flight()
        found = self._memory.open()
        self._withdraw(flying, found)
        quiets = [Quiet(silence, parse(silence.nodes)) for silence in self._memory.silences()]
        verdicts = _Verdicts()
        for item in found:
            self._decide_one(item, now, quiets, flying, verdicts)
        if verdicts.settled or verdicts.notes or verdicts.forgotten:
            self._memory.decide(verdicts.settled, verdicts.notes, verdicts.forgotten)
        for job in verdicts.jobs:
            self.delivery.submit(job)
        spoken = {(d.monitor, d.node, d.check) for d in verdicts.decisions}
        quiet = (t for t in transitions if (t.monitor, t.node, t.check) not in spoken)
        return (*verdicts.decisions, *(_no_news(t) for t in quiet))

    def _withdraw(self, flying: Mapping[Key, Job], found: Iterable[Open]) -> None:
        """What is in flight and true no more is not attempted again; the next tick decides what is true."""
        firing = {item.alert_id: item.alert.level for item in found if item.alert.status is Status.FIRING}
        for key, job in flying.items():
            level = firing.get(key[0], Level.OK)
            if level is not job.message.level:
                self.delivery.withdraw(key)

    def _decide_one(
        self,
        item: Open,
        now: datetime,
        quiets: list[Quiet],
        flying: Mapping[Key, Job],
        verdicts: _Verdicts,
    ) -> None:
        alert = item.alert
        node = self._rulebook.nodes.get(alert.node) or Node(name=alert.node)
        facts = Facts(types={check.type for check in self._rulebook.checks.get(alert.node, ())})
        targets = self._targets(item, node, facts)
        reasons: set[Reason] = set()
        for name in targets:
            if (item.alert_id, name) in flying:
                reasons.add(Reason.RETRY)
                continue
            known = item.known.get(name)
            level = known.level if known else Level.OK
            since = known.since if known else alert.since
            news = News(alert=alert, node=node, address=name, knows=level, since=since, facts=facts)
            reason = judge(news, now, quiets)
            if reason is None and name not in self._addresses:
                reason = Reason.UNUSABLE
            if reason is None:
                reason = why(news)
                verdicts.jobs.append(self._job(item, news, reason, now))
                verdicts.decisions.append(_decision(alert, news.kind, name, reason))
            elif reason is not Reason.NOTHING_NEW and item.decision != str(reason):
                # An address that cannot be used is asked no more often than one that refuses.
                outcome = "refused" if reason is Reason.UNUSABLE else "dropped"
                verdicts.notes.append(_dropped(item, news.kind, name, reason, outcome))
                verdicts.decisions.append(_decision(alert, news.kind, name, reason))
            reasons.add(reason)
        self._settle(item, targets, reasons, verdicts)

    def _targets(self, item: Open, node: Node, facts: Facts) -> tuple[str, ...]:
        """The addresses of a problem are those of its routes; of its end, those that were told of it."""
        if item.alert.status is not Status.FIRING:
            return tuple(name for name, known in item.known.items() if known.delivered)
        plan = self._rulebook.plans.get(item.alert.monitor)
        return route(item.alert.monitor, node, facts, plan.monitor.notify if plan else (), self._routes)

    @staticmethod
    def _settle(item: Open, targets: tuple[str, ...], reasons: set[Reason], verdicts: _Verdicts) -> None:
        """Keep what holds for the alert as a whole, so that the next tick need not look at it again."""
        if item.alert.status is not Status.FIRING:
            verdicts.forgotten += [(item.alert_id, name) for name, known in item.known.items() if not known.delivered]
            return
        decision: str | None = None
        if not targets:
            decision = str(Reason.NO_ADDRESS)
            verdicts.notes.append(_dropped(item, "problem", None, Reason.NO_ADDRESS))
            verdicts.decisions.append(_decision(item.alert, "problem", None, Reason.NO_ADDRESS))
        elif Reason.SILENCED in reasons:
            decision = str(Reason.SILENCED)
        elif reasons <= {Reason.NOTHING_NEW, Reason.UNUSABLE}:
            decision = TOLD
        if decision is not None and decision != item.decision:
            verdicts.settled[item.alert_id] = decision

    def _job(self, item: Open, news: News, reason: Reason, now: datetime) -> Job:
        made = self._rulebook.plans.get(item.alert.monitor)
        checks = self._rulebook.checks.get(item.alert.node, ())
        around = Surroundings(
            monitor=made.monitor if made else None,
            column=made.column if made else "",
            check=next((check for check in checks if check.check_id == item.alert.check_id), None),
            pages=self._pages(),
            account=self._account,
        )
        return Job(
            alert_id=item.alert_id,
            news=news,
            reason=reason,
            message=render(news, around, now),
            address=self._addresses[news.address],
        )

    def record(self, attempt: Attempt) -> None:
        """Write what came of an attempt; a receiver that fails is on the overview until it takes something."""
        job = attempt.job
        outcome = {Reason.DELIVERED: "delivered", Reason.REFUSED: "refused", Reason.WITHDRAWN: "withdrawn"}
        note = Note(
            alert_id=job.alert_id,
            alert=job.news.alert,
            address=job.address.name,
            kind=job.news.kind,
            level=job.message.level,
            outcome=outcome.get(attempt.outcome, "failed"),
            reason=str(attempt.outcome if attempt.outcome is Reason.WITHDRAWN else job.reason),
            attempt=job.attempt,
            answer=attempt.answer,
            took_s=attempt.took.total_seconds(),
        )
        self._memory.attempted(note, attempt.at)
        key = f"delivery:{job.address.name}"
        if attempt.outcome in (Reason.RETRY, Reason.REFUSED):
            self._notices.raise_(key, "warn", attempt.answer)
        elif attempt.outcome is Reason.DELIVERED:
            self._notices.clear(key)

    def test(self, name: str) -> str:
        """Send a test message now, and return the answer. Raises NotFound, ConfigError, DeliveryFailed."""
        if name in self.problems:
            raise ConfigError(self.problems[name])
        if name not in self._addresses:
            raise NotFound(f"ckkit.toml has no address {name!r}{nearest(name, list(self._addresses))}")
        address, now = self._addresses[name], self._clock()
        message = trial_message(name, self._pages(), now)
        note = Note(
            alert_id=None,
            alert=None,
            address=name,
            kind="test",
            level=Level.OK,
            outcome="delivered",
            reason=str(Reason.TEST),
            attempt=1,
        )
        try:
            answer = self.delivery.send(message, address)
        except DeliveryFailed as error:
            self._memory.attempted(replace(note, outcome="failed", answer=error.message), now)
            raise
        self._memory.attempted(replace(note, answer=answer), now)
        return answer


def _decision(alert: Alert, kind: str, address: str | None, reason: Reason) -> Decision:
    return Decision(
        slot=alert.slot,
        monitor=alert.monitor,
        node=alert.node,
        check=alert.check,
        kind=kind,
        address=address,
        reason=str(reason),
    )


def _no_news(moved: Transition) -> Decision:
    reason = Reason.NOT_YET if moved.after is Status.PENDING else Reason.NOTHING_NEW
    return Decision(
        slot=moved.slot,
        monitor=moved.monitor,
        node=moved.node,
        check=moved.check,
        kind="none",
        address=None,
        reason=str(reason),
    )


def _dropped(item: Open, kind: str, address: str | None, reason: Reason, outcome: str = "dropped") -> Note:
    return Note(
        alert_id=item.alert_id,
        alert=item.alert,
        address=address,
        kind=kind,
        level=item.alert.level,
        outcome=outcome,
        reason=str(reason),
    )
