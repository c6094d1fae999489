"""
What people are told: the alerts that are news, what each address knows, every attempt, every silence.

`told` is written after a message was sent, in one transaction with its line in `notifications`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ckkit.errors import Invalid, NotFound
from ckkit.model import Alert, Level, Silence
from ckkit.store.alert_compile import registered
from ckkit.store.alert_rows import alert_of, dated, silence_of
from ckkit.store.catalogue import insert
from ckkit.store.statements import statement
from ckkit.store.times import aware, naive

if TYPE_CHECKING:
    from ckkit.rules import Plan
    from ckkit.store import Store, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Knows:
    """What an address was told of an alert. `delivered` is false where it refused the message of that level."""

    level: Level
    delivered: bool
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """An alert of which somebody may have to be told. `decision` is what was decided since it last moved."""

    alert_id: int
    alert: Alert
    known: Mapping[str, Knows]
    decision: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A line of `notifications`: an attempt, or a decision not to make one (`outcome` is `dropped`, or `refused`)."""

    alert_id: int | None
    alert: Alert | None
    address: str | None
    kind: str
    level: Level
    outcome: str
    reason: str
    attempt: int = 0
    answer: str = ""
    took_s: float = 0.0


class News:
    """The part of `Alerts` that remembers who was told of what."""

    def __init__(self, store: "Store", clock: Callable[[], datetime], plan: "Callable[[str], Plan | None]") -> None:
        self._store, self._clock, self._plan = store, clock, plan

    def open(self) -> list[Open]:
        """Return the alerts that somebody may have to be told of: firing and not settled, or over and not told."""
        found: dict[int, Open] = {}
        known: dict[int, dict[str, Knows]] = {}
        for row in self._store.query(statement("alert_news")).to_pylist():
            number = row["alert_id"]
            mine = known.setdefault(number, {})
            if row["address"] is not None:
                mine[row["address"]] = Knows(
                    level=Level(row["knows"]), delivered=row["delivered"], since=aware(row["told_since"])
                )
            if number not in found:
                alert = alert_of(row, self._plan(row["monitor"]))
                found[number] = Open(alert_id=number, alert=alert, known=mine, decision=row["decision"])
        return list(found.values())

    def decide(
        self, decisions: Mapping[int, str], notes: Iterable[Note], forgotten: Iterable[tuple[int, str]] = ()
    ) -> None:
        """Keep what was decided of alerts, write the notes, and forget what addresses knew of alerts that are over."""
        now, written, over = self._clock(), list(notes), list(forgotten)

        def write(tx: "Tx") -> None:
            _settle(tx.cur, decisions)
            _write_down(tx.cur, written, now)
            for note in written:
                if note.outcome == "refused":
                    _learn(tx.cur, note, now)
            for number, address in over:
                tx.cur.execute("delete from told where alert_id = ? and address = ?", [number, address])
            if over:
                forget(tx.cur)

        self._store.write(write)

    def attempted(self, note: Note, at: datetime) -> None:
        """Record an attempt, and what its address knows from it on."""

        def write(tx: "Tx") -> None:
            _write_down(tx.cur, [note], at)
            if note.outcome in ("delivered", "refused") and note.alert_id is not None:
                _learn(tx.cur, note, at)
            alert = note.alert
            tx.emit(
                "notifications",
                alert.node if alert else "",
                {
                    "address": note.address,
                    "monitor": alert.monitor if alert else "",
                    "node": alert.node if alert else "",
                    "kind": note.kind,
                    "outcome": note.outcome,
                },
            )

        self._store.write(write)

    def reconsider(self) -> None:
        """Addresses or routes changed: alerts for which there was none, or that were refused, are decided anew."""

        def write(tx: "Tx") -> None:
            tx.cur.execute("delete from told where not delivered")
            tx.cur.execute("update alerts set decision = null where decision is not null")

        self._store.write(write)

    def notifications(self, since: datetime, limit: int = 1000) -> list[dict[str, Any]]:
        """Return every attempt and every decision not to tell since then, the newest first."""
        rows = self._store.query(
            "select * from notifications where ts >= $since order by ts desc, rowid desc limit $most",
            {"since": naive(since), "most": limit},
        ).to_pylist()
        return [
            {**row, "ts": dated(row["ts"]), "slot": aware(row["slot"])} | {"took": round(row["took"] or 0.0, 4)}
            for row in rows
        ]

    # silences

    def silence(self, silence: Silence) -> Silence:
        """Keep a silence, and return it with its number. Raises Invalid where it ends before it starts."""
        if silence.ends <= silence.starts:
            raise Invalid(f"a silence must end after it starts: {silence.starts:%H:%M:%S} to {silence.ends:%H:%M:%S}")

        span = [naive(silence.starts), naive(silence.ends)]

        def write(tx: "Tx") -> int:
            number = int(tx.cur.execute("select coalesce(max(silence_id), 0) + 1 from silences").fetchone()[0])
            tx.cur.execute(
                "insert into silences values (?, ?, ?, ?, ?, ?, ?)",
                [number, silence.nodes, silence.monitor, *span, silence.who, silence.comment],
            )
            return number

        number = self._store.write(write)
        return next(s for s in self.silences(every=True) if s.silence_id == number)

    def silences(self, every: bool = False) -> list[Silence]:
        """Return the silences that are in force or to come, or all there ever were, by their end."""
        rows = self._store.query(
            "select * from silences where $every or ends > $now order by ends, silence_id",
            {"every": every, "now": naive(self._clock())},
        ).to_pylist()
        return [silence_of(row) for row in rows]

    def expire(self, silence_id: int) -> Silence:
        """End a silence now; one that has not begun never does. Raises NotFound."""
        now = naive(self._clock())

        def write(tx: "Tx") -> bool:
            tx.cur.execute(
                "update silences set ends = least(ends, ?), starts = least(starts, ?) where silence_id = ?",
                [now, now, silence_id],
            )
            return bool(tx.cur.fetchone()[0])

        if not self._store.write(write):
            raise NotFound(f"there is no silence {silence_id}: `ckkit silences` lists them")
        return next(s for s in self.silences(every=True) if s.silence_id == silence_id)


NOTIFICATIONS = pa.schema(
    [
        ("ts", pa.timestamp("ms")),
        ("alert_id", pa.uint64()),
        ("monitor", pa.string()),
        ("node", pa.string()),
        ("check", pa.string()),
        ("slot", pa.timestamp("ms")),
        ("address", pa.string()),
        ("kind", pa.string()),
        ("level", pa.string()),
        ("outcome", pa.string()),
        ("attempt", pa.uint32()),
        ("reason", pa.string()),
        ("answer", pa.string()),
        ("took", pa.float32()),
    ]
)


def _write_down(cur: Any, notes: Sequence[Note], at: datetime) -> None:
    insert(cur, "notifications", NOTIFICATIONS, [_line(note, at) for note in notes])


def _line(note: Note, at: datetime) -> dict[str, Any]:
    alert = note.alert
    return {
        "ts": naive(at),
        "alert_id": note.alert_id,
        "monitor": alert.monitor if alert else "",
        "node": alert.node if alert else "",
        "check": alert.check if alert else "",
        "slot": naive(alert.slot) if alert else None,
        "address": note.address,
        "kind": note.kind,
        "level": str(note.level),
        "outcome": note.outcome,
        "attempt": note.attempt,
        "reason": note.reason,
        "answer": note.answer,
        "took": note.took_s,
    }


def _settle(cur: Any, decisions: Mapping[int, str]) -> None:
    if not decisions:
        return
    table = pa.table(
        {
            "alert_id": pa.array(list(decisions), pa.uint64()),
            "decision": pa.array(list(decisions.values()), pa.string()),
        }
    )
    with registered(cur, {"new_decisions": table}):
        cur.execute("update alerts set decision = d.decision from new_decisions d where d.alert_id = alerts.alert_id")


def _learn(cur: Any, note: Note, at: datetime) -> None:
    """An address knows of a problem from its delivery until the delivery of its end; a refusal is not asked twice."""
    key = [note.alert_id, note.address]
    cur.execute("select bool_or(delivered) from told where alert_id = ? and address = ?", key)
    knew = bool(cur.fetchone()[0])
    cur.execute("delete from told where alert_id = ? and address = ?", key)
    if note.kind == "problem" and note.alert is not None:
        since = naive(note.alert.since) if note.alert.since else None
        delivered = knew or note.outcome == "delivered"
        cur.execute("insert into told values (?, ?, ?, ?, ?, ?)", [*key, str(note.level), delivered, since, naive(at)])
    else:
        forget(cur)


def forget(cur: Any) -> None:
    """Alerts that nothing watches and of which nobody has to be told are no more; what happened to them stays."""
    cur.execute(
        "delete from alerts where not watched and status = 'ok' and alert_id not in (select alert_id from told)"
    )
