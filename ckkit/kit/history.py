"""The last hour of every check of a node: one SELECT a check, over the metrics that share its first one's unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ckkit.kit.series import column_of, quoted, unit_of
from ckkit.kit.times import When, moment, naive
from ckkit.model import Check, Metric

if TYPE_CHECKING:
    from ckkit.kit.kit import Kit
    from ckkit.wire.frame import Frame

MOST = 8  # metrics in one chart


@dataclass(frozen=True, slots=True)
class History:
    """What a check measured. `frame`: ts (UTC), one column a metric, `took_seconds`; ordered by ts; maybe no rows."""

    check: Check
    unit: str
    metrics: tuple[str, ...]
    frame: "Frame"


def history(kit: "Kit", node: str, since: When = "1h") -> list[History]:
    """Return the history of each check of a node, by type and instance. Raises NotFound."""
    found = []
    for check in kit.nodes[node].checks:
        metrics = chosen([metric for metric in kit.metrics.known().values() if metric.type == check.type])
        unit = unit_of(metrics[0], "last") if metrics else ""
        found.append(History(check, unit, tuple(m.name for m in metrics), _read(kit, check, metrics, since)))
    return found


def chosen(metrics: Sequence[Metric]) -> list[Metric]:
    """
    Return the gauges that share the unit of the first one, at most eight: they fit on one axis.

    Counters are left out, as they only grow, and so is the time that the check took, which has a chart of its own.
    """
    gauges = [metric for metric in metrics if metric.kind != "counter" and metric.name != "took_seconds"]
    return [metric for metric in gauges if unit_of(metric, "last") == unit_of(gauges[0], "last")][:MOST]


def _read(kit: "Kit", check: Check, metrics: Sequence[Metric], since: When) -> "Frame":
    columns = "".join(f", {quoted(column_of(metric.name))} as {quoted(metric.name)}" for metric in metrics)
    params: dict[str, Any] = {
        "node": check.node,
        "instance": check.instance,
        "since": naive(moment(since, kit.clock())),
    }
    return kit.sql(
        f"select ts{columns}, took_seconds from checks.{quoted(check.type)} "  # noqa: S608  quoted, known names
        "where node = $node and instance = $instance and ts >= $since order by ts",
        **params,
    )
