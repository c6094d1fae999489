"""What was measured lately, read once when a hub starts: the newest result of each check, the values of a metric."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from ckkit.store.compose import column_name, quoted
from ckkit.store.times import naive

Query = Callable[[str, Mapping[str, Any]], pa.Table]

NEWEST = """
select check_id, max(ts) as ts, arg_max(state, ts) as state
from results where ts >= $since group by check_id order by check_id
"""


def newest(query: Query, since: datetime) -> pa.Table:
    """Return the newest result of each check: check_id, ts, state."""
    return query(NEWEST, {"since": naive(since)})


def values(query: Query, kind: str, metric: str, since: datetime) -> pa.Table:
    """Return a metric of a check type that has a view: check_id, ts, value, by ts."""
    statement = (
        f"select check_id, ts, {quoted(column_name(metric))} as value "  # noqa: S608  quoted names
        f"from checks.{quoted(kind)} where ts >= $since order by ts, check_id"
    )
    return query(statement, {"since": naive(since)})
