"""
Events of the store: written with the rows that they tell of, read from here by whoever missed them.

`seq` grows by commit. When old ones are deleted the newest stays, since the next number follows from it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any

import pyarrow as pa

from ckkit.model import Event

Query = Callable[[str, Mapping[str, Any]], pa.Table]

SINCE = (
    "select seq, ts, topic, scope, source, payload from events "
    "where seq > $since and (len($topics) = 0 or topic in (select unnest($topics))) order by seq limit $most"
)


def since(query: Query, seq: int, topics: Sequence[str] = (), most: int = 10_000) -> list[Event]:
    """Return the events after `seq`, oldest first, at most `most`; no topics means all of them."""
    rows = query(SINCE, {"since": seq, "topics": list(topics), "most": most}).to_pylist()
    return [event_of(row) for row in rows]


def last(query: Query) -> int:
    """Return the newest sequence, 0 where nothing has happened yet."""
    return int(query("select coalesce(max(seq), 0) as seq from events", {})["seq"][0].as_py())


def event_of(row: Mapping[str, Any]) -> Event:
    return Event(
        seq=row["seq"],
        ts=row["ts"].replace(tzinfo=UTC),
        topic=row["topic"],
        scope=row["scope"],
        source=row["source"],
        payload=json.loads(row["payload"]),
    )
