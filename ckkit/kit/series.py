"""
A metric over time as one parameterised SELECT over the view of its check type.

Identifiers come from the known metrics only, and are quoted; everything that people
give is a parameter. So one shape of question is one text, whatever is asked.

Of a counter, which only grows until it starts again from zero, the growth per second
is returned: each result counts what grew since the one before it of the same check.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ckkit.durations import duration
from ckkit.errors import Invalid
from ckkit.kit.metrics import TOOK
from ckkit.kit.times import When, moment, naive, step_for
from ckkit.model import Metric
from ckkit.views import units

if TYPE_CHECKING:
    import pyarrow as pa

    from ckkit.kit.kit import Kit
    from ckkit.wire.frame import Frame

AGGREGATES = {
    "avg": "avg({metric})",
    "min": "min({metric})",
    "max": "max({metric})",
    "sum": "sum({metric})",
    "last": "arg_max({metric}, ts)",
}
RATE = "rate"
OWN_COLUMNS = ("ts", "node", "instance", "check_id", "state", "status", "took_seconds")
ALL = ("", "*", "all")

GAUGE = """
select time_bucket($step, ts) as bucket, node, instance, {aggregate} as value
from {view}
where ts >= $since and ts < $until and {metric} is not null{which}
group by bucket, node, instance
order by node, instance, bucket
""".strip()

# `$before` lies a little before `$since`, so that the first result of the stretch has one to grow from.
COUNTER = """
with grown as (
    select ts, node, instance,
           {metric} - lag({metric}) over of_check as amount,
           {metric} as since_restart,
           epoch(ts) - epoch(lag(ts) over of_check) as seconds
    from {view}
    where ts >= $before and ts < $until and {metric} is not null{which}
    window of_check as (partition by check_id order by ts)
)
select time_bucket($step, ts) as bucket, node, instance,
       sum(case when amount < 0 then since_restart else amount end) / sum(seconds) as value
from grown
where ts >= $since and seconds > 0
group by bucket, node, instance
order by node, instance, bucket
""".strip()


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a series, as people wrote it."""

    metric: str
    nodes: str = "*"
    since: When = "1h"
    until: When | None = None
    step: str | timedelta | None = None
    instance: str | None = None
    aggregate: str | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time cut into steps; both ends are aware, `until` is outside."""

    since: datetime
    until: datetime
    step: timedelta


def series(kit: "Kit", ask: Ask) -> "Frame":
    """Answer one question; see `Kit.series`."""
    from ckkit.wire.frame import Frame

    metric = kit.metrics[ask.metric]
    over = stretch(ask, kit.clock())
    nodes = None if ask.nodes.strip() in ALL else [node.name for node in kit.nodes.list(ask.nodes)]
    how = aggregate_of(metric, ask.aggregate)
    statement = compose(metric, how, some_nodes=nodes is not None, one_instance=ask.instance is not None)
    found = kit.wire.read(statement, parameters(over, how, nodes, ask.instance))
    return Frame(described(found, ask, over, unit_of(metric, how)))


def stretch(ask: Ask, now: datetime) -> Stretch:
    """Return the stretch that is asked for. Raises Invalid where it ends before it starts, or a step is nothing."""
    until = now if ask.until is None else moment(ask.until, now)
    since = moment(ask.since, now)
    if since >= until:
        raise Invalid(f"`since` ({since:%Y-%m-%d %H:%M:%S} UTC) must be before `until` ({until:%Y-%m-%d %H:%M:%S} UTC)")
    step = step_for(until - since) if ask.step is None else duration(ask.step)
    if step <= timedelta(0):
        raise Invalid(f"step {ask.step!r} must be longer than nothing")
    return Stretch(since, until, step)


def aggregate_of(metric: Metric, asked: str | None) -> str:
    """Return how a bucket is summed up: as asked, else the rate of a counter and the mean of anything else."""
    if asked is None:
        return RATE if metric.kind == "counter" else "avg"
    if asked not in (*AGGREGATES, RATE):
        raise Invalid(f"no aggregate {asked!r}: there are {', '.join((*AGGREGATES, RATE))}")
    return asked


def compose(metric: Metric, how: str, *, some_nodes: bool, one_instance: bool) -> str:
    """Return the statement for one shape of question. Parameters: see `parameters`."""
    name = quoted(column_of(metric.name))
    which = (" and node in (select unnest($nodes))" if some_nodes else "") + (
        " and instance = $instance" if one_instance else ""
    )
    shape = COUNTER if how == RATE else GAUGE
    aggregate = "" if how == RATE else AGGREGATES[how].format(metric=name)
    return shape.format(aggregate=aggregate, metric=name, view=f"checks.{quoted(metric.type)}", which=which)


def parameters(
    over: Stretch, how: str, nodes: Sequence[str] | None = None, instance: str | None = None
) -> dict[str, Any]:
    """Return the values of the statement; times as the store holds them, UTC without a zone."""
    found: dict[str, Any] = {"step": over.step, "since": naive(over.since), "until": naive(over.until)}
    if how == RATE:
        found["before"] = naive(over.since - max(over.step * 2, timedelta(minutes=1)))
    if nodes is not None:
        found["nodes"] = [*nodes] or [""]  # no node has an empty name; an empty list would have no type
    if instance is not None:
        found["instance"] = instance
    return found


def unit_of(metric: Metric, how: str) -> str:
    """Return the unit of the values: that of the metric, per second for a rate."""
    unit = metric.unit or units.unit_of(metric.name)
    return f"{unit}/s" if how == RATE else unit


def described(found: "pa.Table", ask: Ask, over: Stretch, unit: str) -> "pa.Table":
    """Return the table with aware times, the unit on `value`, and what was asked in the schema's metadata."""
    import pyarrow as pa

    facts: Mapping[str, Any] = {
        "metric": ask.metric,
        "unit": unit,
        "nodes": ask.nodes,
        "since": over.since.isoformat(),
        "until": over.until.isoformat(),
        "step_seconds": over.step.total_seconds(),
    }
    schema = pa.schema(
        [
            pa.field("bucket", pa.timestamp("us", tz="UTC")),
            pa.field("node", pa.string()),
            pa.field("instance", pa.string()),
            pa.field("value", pa.float64(), metadata={"unit": unit, "metric": ask.metric}),
        ],
        metadata={"ckkit": json.dumps(facts)},
    )
    return found.cast(schema)


def column_of(metric: str) -> str:
    """Return the column of a metric in its view; one that is named as a column of every view has a prefix there."""
    return f"metric_{metric}" if metric in OWN_COLUMNS and metric != TOOK else metric


def quoted(identifier: str) -> str:
    """
    Return a name as SQL takes it for one.

    >>> quoted('busy"ratio')
    '"busy""ratio"'
    """
    return '"' + identifier.replace('"', '""') + '"'
