"""
Events of the store: written with the rows that they tell of, read from here by whoever missed them.

`seq` grows by commit and never starts again: before old events are deleted, the table `outbox` keeps the last number.
It also counts the writes without an event, so that every write leaves a trace by which its commit can be recognised.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ckkit.model import Event
from ckkit.store.catalogue import insert
from ckkit.store.times import naive

Query = Callable[[str, Mapping[str, Any]], pa.Table]

COLUMNS = pa.schema(
    [
        ("seq", pa.uint64()),
        ("ts", pa.timestamp("ms")),
        ("topic", pa.string()),
        ("scope", pa.string()),
        ("source", pa.string()),
        ("payload", pa.string()),
    ]
)
ONE = "insert into events values ($seq, $ts, $topic, $scope, $source, $payload)"
SOME = (
    "insert into events select unnest($seq), unnest($ts), unnest($topic), unnest($scope), unnest($source), "
    "unnest($payload)"
)
FEW = 200  # events that are faster as parameters than as an Arrow table

SINCE = (
    "select seq, ts, topic, scope, source, payload from events "
    "where seq > $since and (len($topics) = 0 or topic in (select unnest($topics))) order by seq limit $most"
)
LAST = "select greatest((select coalesce(max(seq), 0) from events), (select max(last) from outbox)) as seq"
KEEP_LAST = f"update outbox set last = ({LAST})"  # noqa: S608  our own statement
FORGET = "delete from events where ts < $before"


def create(cur: Any) -> None:
    """Create the table of the last number. A migration: runs once, in its own transaction."""
    cur.execute("create table outbox (last ubigint not null, silent ubigint not null)")
    cur.execute("insert into outbox values (0, 0)")


def record(cur: Any, events: Sequence[Event]) -> None:
    """Write events down; where there are none, that there were none."""
    if not events:
        cur.execute("update outbox set silent = silent + 1")
    elif len(events) == 1:
        cur.execute(ONE, _row(events[0]))
    elif len(events) <= FEW:
        rows = [_row(event) for event in events]
        cur.execute(SOME, {name: [row[name] for row in rows] for name in COLUMNS.names})
    else:
        insert(cur, "events", COLUMNS, [_row(event) for event in events])


def numbers(cur: Any) -> tuple[int, int]:
    """Return the last sequence, and how many writes had no event: together they name the last commit."""
    seq, silent = cur.execute(f"select ({LAST}), (select max(silent) from outbox)").fetchone()  # noqa: S608
    return int(seq), int(silent)


def forget(cur: Any, before: datetime) -> None:
    """Delete the events from before a time; the numbers go on all the same."""
    cur.execute(KEEP_LAST)
    cur.execute(FORGET, {"before": naive(before)})


def since(query: Query, seq: int, topics: Sequence[str] = (), most: int = 10_000) -> list[Event]:
    """Return the events after `seq`, oldest first, at most `most`; no topics means all of them."""
    rows = query(SINCE, {"since": seq, "topics": list(topics), "most": most}).to_pylist()
    return [event_of(row) for row in rows]


def last(query: Query) -> int:
    """Return the newest sequence, 0 where nothing has happened yet."""
    return int(query(LAST, {})["seq"][0].as_py())


def event_of(row: Mapping[str, Any]) -> Event:
    return Event(
        seq=row["seq"],
        ts=row["ts"].replace(tzinfo=UTC),
        topic=row["topic"],
        scope=row["scope"],
        source=row["source"],
        payload=json.loads(row["payload"]),
    )


def _row(event: Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "ts": naive(event.ts),
        "topic": event.topic,
        "scope": event.scope,
        "source": event.source,
        "payload": json.dumps(event.payload, default=str, separators=(",", ":")),
    }
