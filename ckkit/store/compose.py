"""SQL that must be composed: the views of check types. Names are quoted; numbers are numbers; nothing else gets in."""

from collections.abc import Sequence

from ckkit.model import Metric, State
from ckkit.store.tables import SLOTS, TYPE_SHIFT

STATES = " ".join(f"when {state.code} then '{state.value}'" for state in State)
OWN_COLUMNS = ("ts", "node", "instance", "check_id", "state", "status", "took_seconds")  # of a view


def quoted(name: str) -> str:
    """
    Return a name as an identifier of SQL.

    >>> quoted('used ratio')
    '"used ratio"'
    """
    return '"' + name.replace('"', '""') + '"'


def value_column(position: int) -> str:
    """Return the expression of `results r` that holds the metric at a position (from 1)."""
    return f"r.v{position}" if position <= SLOTS else f"r.more[{position - SLOTS}]"


def view_of(type_name: str, type_id: int, metrics: Sequence[tuple[int, Metric]]) -> str:
    """
    Return the statement that makes the view `checks.<type>`: a row a result, the metrics as columns, by position.

    Names that differ in case only are one name for SQL: the later one gets its position behind it. The bounds of
    `check_id` let the scan skip the other types.
    """
    low, high = type_id << TYPE_SHIFT, ((type_id + 1) << TYPE_SHIFT) - 1
    taken, named = set(OWN_COLUMNS), ""
    for position, metric in metrics:
        name = column_name(metric.name)
        name = f"{name}_{position}" if name.lower() in taken else name
        taken.add(name.lower())
        named += f",\n       {value_column(position)} as {quoted(name)}"
    return f"""
create or replace view checks.{quoted(type_name)} as
select r.ts, i.node, i.instance, r.check_id,
       case r.state {STATES} end as state, r.status, r.took as took_seconds{named}
from results r join identities i using (check_id)
where r.check_id between {low} and {high} and i.type = {literal(type_name)}
"""  # noqa: S608  quoted names and numbers only


def column_name(metric: str) -> str:
    """
    Return the name of a metric as a column of its view: its own, or with `metric_` before it where that is taken.

    >>> column_name("busy_ratio"), column_name("state")
    ('busy_ratio', 'metric_state')
    """
    return f"metric_{metric}" if metric in OWN_COLUMNS else metric


def literal(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
