"""The newest result of each check of a node, in one statement over the views of its check types."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ckkit.kit.series import OWN_COLUMNS, column_of, quoted
from ckkit.kit.times import aware, naive
from ckkit.model import Check, Result, State

if TYPE_CHECKING:
    from ckkit.kit.kit import Kit

LOOK_BACK = timedelta(hours=1)
OWN = tuple(name for name in OWN_COLUMNS if name not in ("node", "instance"))


def newest(kit: "Kit", node: str, checks: Sequence[Check]) -> list[tuple[Check, Result]]:
    """Return each check of a node that has results of the last hour, with the newest, by type and instance."""
    metrics: dict[str, list[str]] = {}
    for metric in kit.metrics.known().values():
        metrics.setdefault(metric.type, []).append(metric.name)
    kinds = [kind for kind in dict.fromkeys(check.type for check in checks) if kind in metrics]
    if not kinds:
        return []
    statement = " union all by name ".join(_newest_of(kind, metrics[kind]) for kind in kinds)
    rows = kit.wire.read(statement, {"node": node, "since": naive(kit.clock() - LOOK_BACK)}).to_pylist()
    by_id = {row["check_id"]: row for row in rows}
    return [(check, _result(by_id[check.check_id])) for check in checks if check.check_id in by_id]


def _newest_of(kind: str, metrics: Sequence[str]) -> str:
    columns = ", ".join(map(quoted, (*OWN, *(column_of(name) for name in metrics if name not in OWN))))
    return (
        f"select {columns} from checks.{quoted(kind)} where node = $node and ts >= $since "  # noqa: S608  known names, quoted
        "qualify row_number() over (partition by check_id order by ts desc) = 1"
    )


def _result(row: dict[str, Any]) -> Result:
    return Result(
        check_id=row["check_id"],
        ts=aware(row["ts"]),
        state=State(row["state"]),
        took_seconds=row["took_seconds"],
        status=row["status"] or "",
        values={key: value for key, value in row.items() if key not in OWN and value is not None},
    )
