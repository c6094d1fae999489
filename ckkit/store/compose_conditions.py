"""
SQL made of monitors: the statements of free conditions, and of aggregates over windows.

Beside `compose.py` the one place that builds SQL. What goes in is the tokens of `alerts/conditions.py`, which are of a
closed set, names of metrics, which are quoted, and numbers. Whoever makes a statement has the database read it before
it is used (`Alerts.verify`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ckkit.errors import Invalid
from ckkit.rules import TEXTS, TIME_TAKEN, Compiled, Condition, Plan, Threshold, Watches, lookback, milliseconds

AGGREGATES = ("avg", "min", "max", "sum", "count")
_STATE = "case r.state when 0 then 'ok' when 1 then 'warn' when 2 then 'err' end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """
    What the monitors in force come to, beside their thresholds; made when they change, used at every tick.

    `windows` are the statements of aggregates; `statements` maps a monitor's id to its statement and the milliseconds
    that it looks back; `unresolved` are the (type, metric) that had no position yet; `instances` counts thresholds,
    `judged` those that a tick judges.
    """

    windows: Sequence[str] = ()
    statements: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    unresolved: frozenset[tuple[str, str]] = frozenset()
    lookback_ms: int = 0
    window_ms: int = 0
    instances: int = 0
    judged: int = 0


def compose(compiled: Iterable[Compiled], watches: Watches, positions: Mapping[str, Mapping[str, int]]) -> Composed:
    """Make the statements of the monitors in force. `positions` maps a type and a metric to its position."""
    checks = {plan.monitor.name: found for plan, found in watches}
    statements: dict[int, tuple[str, int]] = {}
    used: dict[str, set[int]] = {}
    unresolved: set[tuple[str, str]] = set()
    longest = window = instances = judged = 0
    for one in compiled:
        plan, monitor, known = one.plan, one.plan.monitor, positions.get(one.plan.monitor.check, {})
        back = max((milliseconds(lookback(check)) for check in checks[monitor.name]), default=0)
        instances += len(checks[monitor.name])
        if plan.kind == "report":
            continue
        judged += len(checks[monitor.name])
        longest, window = max(longest, back), max(window, milliseconds(monitor.window))
        unresolved |= {(monitor.check, c) for c in plan.columns if c not in (*TEXTS, TIME_TAKEN, *known)}
        if plan.kind == "statement":
            statements[one.monitor_id] = (statement(plan, known), max(back, milliseconds(monitor.window)))
        elif monitor.aggregate != "last" and (plan.column in known or plan.column == TIME_TAKEN):
            used.setdefault(monitor.aggregate, set()).add(known.get(plan.column, 0))
    return Composed(
        windows=[windows(aggregate, found) for aggregate, found in sorted(used.items())],
        statements=statements,
        unresolved=frozenset(unresolved),
        lookback_ms=longest,
        window_ms=window,
        instances=instances,
        judged=judged,
    )


def quoted(name: str) -> str:
    """
    Return a name as an identifier of SQL.

    >>> quoted("used ratio")
    '"used ratio"'
    """
    return '"' + name.replace('"', '""') + '"'


def column(position: int) -> str:
    """Return the column of `results r` that holds the metric at a position, 0 being the time the check took."""
    if position == 0:
        return "r.took::double"
    return f"r.v{position}" if position <= 16 else f"r.more[{position - 16}]"


def windows(aggregate: str, positions: Iterable[int]) -> str:
    """
    Return the statement that writes the aggregates of all comparisons with this one into tick_values.

    Parameters: $slot (timestamp, UTC), $longest_ms (bigint: the longest window). NaN is no value.
    """
    if aggregate not in AGGREGATES:
        raise Invalid(f"there is no aggregate {aggregate!r}: there are {', '.join(AGGREGATES)}")
    used = sorted(set(positions))
    sums = ", ".join(f"{aggregate}(nullif({column(p)}, 'nan'::double)) as a{p}" for p in used)
    choice = " ".join(f"when {p} then g.a{p}" for p in used)
    return f"""
insert into tick_values (alert_id, value)
select t.alert_id, case t.position {choice} end
from thresholds t
join (
    select r.check_id, w.window_ms, {sums}
    from results r
    join (
        select distinct check_id, window_ms from thresholds where kind = 'compare' and aggregate = '{aggregate}'
    ) w using (check_id)
    where r.ts > $slot::timestamp_ms - to_milliseconds($longest_ms) and r.ts <= $slot::timestamp_ms
      and date_diff('millisecond', r.ts, $slot::timestamp_ms) < w.window_ms
    group by all
) g using (check_id, window_ms)
where t.kind = 'compare' and t.aggregate = '{aggregate}'
"""  # noqa: S608  made of the closed set above and of numbers


def statement(plan: Plan, positions: Mapping[str, int]) -> str:
    """
    Return the statement of a plan of the kind `statement`: what its conditions come to for every check it watches.

    Parameters: $slot (timestamp, UTC), $monitor (uinteger), $longest_ms (bigint: its lookback or window).
    Columns: alert_id, value double, critical, warn, recovered boolean. A metric that has no position yet is null.
    """
    conditions = {"critical": plan.critical, "warn": plan.warn, "recovered": plan.recovery}
    names = {plan.column: None} | {name: None for c in conditions.values() if c for name in c.columns}
    metrics = {name: _source(name, positions) for name in names if name not in TEXTS}
    judged = ", ".join(f"({_sql(c)})::boolean as {name}" for name, c in conditions.items())
    latest = plan.monitor.aggregate == "last"
    inner = _latest(metrics) if latest else _aggregated(metrics, plan.monitor.aggregate)
    return f"""
with watched as (
    select alert_id, check_id, lookback_ms, window_ms from thresholds where monitor_id = $monitor
),
recent as (
    select w.alert_id, w.lookback_ms, w.window_ms, r.*
    from watched w join results r using (check_id)
    where r.ts > $slot::timestamp_ms - to_milliseconds($longest_ms) and r.ts <= $slot::timestamp_ms
),
measured as ({inner})
select alert_id, {quoted(plan.column)}::double as value, {judged}
from measured
"""  # noqa: S608  made of quoted names, numbers and the tokens of conditions.py


def _latest(metrics: Mapping[str, str]) -> str:
    columns = "".join(f", {source} as {quoted(name)}" for name, source in metrics.items())
    return f"""
    select distinct on (r.alert_id) r.alert_id, {_STATE} as state, r.status as status{columns}
    from recent r
    where date_diff('millisecond', r.ts, $slot::timestamp_ms) < r.lookback_ms
    order by r.alert_id, r.ts desc
"""  # noqa: S608  as in statement()


def _aggregated(metrics: Mapping[str, str], aggregate: str) -> str:
    if aggregate not in AGGREGATES:
        raise Invalid(f"there is no aggregate {aggregate!r}: there are {', '.join(AGGREGATES)}")
    columns = "".join(f", {aggregate}({source}) as {quoted(name)}" for name, source in metrics.items())
    return f"""
    select r.alert_id, arg_max({_STATE}, r.ts) as state, arg_max(r.status, r.ts) as status{columns}
    from recent r
    where date_diff('millisecond', r.ts, $slot::timestamp_ms) < r.window_ms
    group by r.alert_id
"""  # noqa: S608  as in statement()


def _source(name: str, positions: Mapping[str, int]) -> str:
    """The values of a metric, NaN being none."""
    position = 0 if name == TIME_TAKEN else positions.get(name)
    return "null::double" if position is None else f"nullif({column(position)}, 'nan'::double)"


def _sql(condition: Condition | None) -> str:
    if condition is None:
        return "null"
    if isinstance(condition, Threshold):
        return f"{quoted(condition.column)} {condition.op} {condition.number!r}"
    return " ".join(quoted(token.text) if token.kind == "column" else token.text for token in condition.tokens)
