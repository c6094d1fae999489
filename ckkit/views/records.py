"""The tables of records, one function a noun: which columns, in which order, in which words. Times are UTC."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ckkit.durations import show_duration
from ckkit.model import (
    Alert,
    Check,
    Decision,
    Level,
    Metric,
    Monitor,
    Node,
    Process,
    Result,
    Run,
    Silence,
    Status,
    Transition,
)
from ckkit.views import units
from ckkit.views.loose import pairs
from ckkit.views.tables import (
    Cell,
    Column,
    Table,
    at,
    code,
    count,
    levelled,
    number,
    span,
    state_level,
    status_cell,
    tabulate,
    tagged,
    text,
)

RUN_LEVEL = {"ok": Level.OK, "running": Level.NODATA, "failed": Level.CRITICAL, "timeout": Level.CRITICAL}


def nodes(items: Sequence[Node], checks: Mapping[str, int], title: str = "") -> Table:
    """`checks` maps a node's name to how many checks it has."""
    columns = [
        Column("node", lambda n: text(n.name)),
        Column("state", lambda n: text(n.state)),
        Column("address", lambda n: text(n.address)),
        Column("provider", lambda n: text(n.provider)),
        Column("tags", lambda n: tagged(n.tags)),
        Column("checks", lambda n: count(checks.get(n.name, 0))),
    ]
    return tabulate(title, columns, items, "no node matches")


def checks(items: Iterable[Check], title: str = "") -> Table:
    columns = [
        Column("check", lambda c: code(c.key)),
        Column("node", lambda c: text(c.node)),
        Column("type", lambda c: text(c.type)),
        Column("instance", lambda c: text(c.instance)),
        Column("every", lambda c: span(c.every)),
        Column("time-out", lambda c: span(c.timeout)),
        Column("parameters", lambda c: text(pairs(c.params))),
        Column("labels", lambda c: text(pairs(c.labels))),
    ]
    return tabulate(title, columns, items, "no check matches")


def metrics(items: Iterable[Metric], title: str = "") -> Table:
    columns = [
        Column("metric", lambda m: text(f"{m.type}.{m.name}" if m.type else m.name)),
        Column("kind", lambda m: text(m.kind)),
        Column("unit", lambda m: text(m.unit)),
        Column("means", lambda m: text(m.help)),
    ]
    return tabulate(title, columns, items, "no metrics yet")


def monitors(items: Iterable[Monitor], now: Mapping[str, "Standing"], title: str = "") -> Table:
    """`now` maps a monitor's name to how it stands."""
    columns = [
        Column("now", lambda m: stands(now.get(m.name))),
        Column("monitor", lambda m: text(m.name)),
        Column("nodes", lambda m: text(m.nodes)),
        Column("check", lambda m: text(m.check if m.instance == "*" else f"{m.check}:{m.instance}")),
        Column("warn", lambda m: code(m.warn)),
        Column("critical", lambda m: code("reported by a notebook" if m.reported else m.critical)),
        Column("over", lambda m: code(over(m))),
        Column("for", lambda m: span(m.hold)),
        Column("tells", lambda m: text(", ".join(m.notify))),
        Column("file", lambda m: text(m.file)),
    ]
    return tabulate(title, columns, items, "no monitor yet: monitors/*.toml of the workspace hold them")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a node or a monitor stands: its worst level, and how many of its judged instances are not ok."""

    level: Level
    bad: int
    judged: int


def stands(standing: Standing | None) -> Cell:
    """Return a standing as a badge; nothing where nothing was judged."""
    if standing is None:
        return text("")
    said = f"{standing.bad:,} of {standing.judged:,} not ok" if standing.bad else f"{standing.judged:,} ok"
    return levelled(standing.level, said)


def alerts(items: Iterable[Alert], unit: Mapping[str, str], title: str = "", empty: str = "no alerts") -> Table:
    """The evidence of each: what was measured, against what, when. `unit` maps `type.metric` to its unit."""
    columns = [
        Column("status", lambda a: status_cell(a.status, a.level)),
        Column("node", lambda a: text(a.node)),
        Column("check", lambda a: code(a.check)),
        Column("monitor", lambda a: text(a.monitor)),
        Column("value", lambda a: measured(a.value, a.rule, a.check, unit)),
        Column("condition", lambda a: code(condition(a))),
        Column("said", lambda a: text(a.text)),
        Column("since (UTC)", lambda a: at(a.since)),
        Column("result at (UTC)", lambda a: at(a.result_at)),
        Column("reason", lambda a: text(a.reason)),
    ]
    return tabulate(title, columns, items, empty)


def transitions(items: Iterable[Transition], title: str = "", empty: str = "no change of state") -> Table:
    columns = [
        Column("at (UTC)", lambda t: at(t.slot)),
        Column("node", lambda t: text(t.node)),
        Column("check", lambda t: text(t.check)),
        Column("monitor", lambda t: text(t.monitor)),
        Column("before", lambda t: text(t.before)),
        Column("after", lambda t: status_cell(t.after, t.level)),
        Column("value", lambda t: number(t.value) if t.value is not None else Cell("", "number")),
        Column("reason", lambda t: text(t.reason)),
    ]
    return tabulate(title, columns, items, empty)


def decisions(items: Iterable[Decision], title: str = "", empty: str = "nobody had to be told") -> Table:
    columns = [
        Column("at (UTC)", lambda d: at(d.slot)),
        Column("node", lambda d: text(d.node)),
        Column("check", lambda d: text(d.check)),
        Column("monitor", lambda d: text(d.monitor)),
        Column("kind", lambda d: text(d.kind)),
        Column("told", lambda d: text(d.address or "nobody")),
        Column("reason", lambda d: text(d.reason)),
    ]
    return tabulate(title, columns, items, empty)


def notifications(items: Iterable[Any], title: str = "") -> Table:
    """Of each: when, about what, to whom, how it went. The fields are those of `kit.lists.Notification`."""
    columns = [
        Column("at (UTC)", lambda n: at(n.ts)),
        Column("outcome", lambda n: text(n.outcome)),
        Column("address", lambda n: text(n.address or "nobody")),
        Column("kind", lambda n: text(n.kind)),
        Column("level", lambda n: levelled(n.level) if n.level else text("")),
        Column("node", lambda n: text(n.node)),
        Column("check", lambda n: code(n.check)),
        Column("monitor", lambda n: text(n.monitor)),
        Column("reason", lambda n: text(n.reason)),
        Column("try", lambda n: count(n.attempt)),
        Column("answer", lambda n: text(n.answer)),
    ]
    return tabulate(title, columns, items, "nothing was sent")


def silences(items: Iterable[Silence], title: str = "") -> Table:
    columns = [
        Column("id", lambda s: text(s.silence_id)),
        Column("nodes", lambda s: text(s.nodes)),
        Column("monitor", lambda s: text(s.monitor)),
        Column("starts (UTC)", lambda s: at(s.starts)),
        Column("ends (UTC)", lambda s: at(s.ends)),
        Column("who", lambda s: text(s.who)),
        Column("comment", lambda s: text(s.comment)),
    ]
    return tabulate(title, columns, items, "no silence: everybody is told of everything")


def runs(items: Iterable[Run], title: str = "") -> Table:
    columns = [
        Column("state", lambda r: levelled(RUN_LEVEL.get(r.state, Level.NODATA), r.state)),
        Column("job", lambda r: text(r.job)),
        Column("slot (UTC)", lambda r: at(r.slot)),
        Column("started (UTC)", lambda r: at(r.started)),
        Column(
            "took",
            lambda r: number((r.finished - r.started).total_seconds(), "seconds") if r.finished else Cell("", "number"),
        ),
        Column("parameters", lambda r: text(pairs(r.parameters))),
        Column("error", lambda r: text(first_line(r.error), note=r.error)),
        Column("output", lambda r: text(r.output)),
        Column("run", lambda r: text(r.run_id)),
    ]
    return tabulate(title, columns, items, "no runs yet")


def processes(items: Iterable[Process], title: str = "") -> Table:
    columns = [
        Column("pid", lambda p: Cell(str(p.pid), "number")),
        Column("name", lambda p: text(p.name)),
        Column("user", lambda p: text(p.user)),
        Column("CPU", lambda p: number(p.cpu_ratio, "ratio")),
        Column("memory", lambda p: number(p.memory_bytes, "bytes")),
        Column("of all", lambda p: number(p.memory_ratio, "ratio")),
        Column("started (UTC)", lambda p: at(p.started)),
        Column("command", lambda p: text(p.command)),
    ]
    return tabulate(title, columns, items, "no process matches")


def results(items: Iterable[tuple[Check, Result]], unit: Mapping[str, str], title: str = "") -> Table:
    """The newest result of each check; `unit` maps `type.metric` to its unit."""
    columns = [
        Column("check", lambda r: text(r[0].name)),
        Column("state", lambda r: levelled(state_level(r[1].state), str(r[1].state))),
        Column("values", lambda r: text(values(r[0].type, r[1].values, unit))),
        Column("said", lambda r: text(r[1].status)),
        Column("took", lambda r: number(r[1].took_seconds, "seconds")),
        Column("at (UTC)", lambda r: at(r[1].ts)),
    ]
    return tabulate(title, columns, items, "no results yet")


def steps(items: Mapping[str, float], title: str = "") -> Table:
    """The seconds that each step took, in their order."""
    columns = [
        Column("step", lambda s: text(s[0])),
        Column("took", lambda s: number(s[1], "seconds")),
    ]
    return tabulate(title, columns, items.items(), "no step was timed")


def over(monitor: Monitor) -> str:
    """Return what is judged: the last value, or an aggregate of a window."""
    return f"{monitor.aggregate} of {span(monitor.window).text}" if monitor.window else monitor.aggregate


def measured(value: float | None, rule: str, check: str, unit: Mapping[str, str]) -> Cell:
    """Return an alert's value in the unit of the metric that its rule names first."""
    if value is None or math.isnan(value):
        return Cell("", "number")
    return number(value, unit.get(f"{check.partition(':')[0]}.{_metric(rule)}", units.unit_of(_metric(rule))))


def condition(alert: Alert) -> str:
    """Return what was judged: the condition, and over which window."""
    return f"{alert.rule} over {show_duration(alert.window)}" if alert.window else alert.rule


def values(kind: str, found: Mapping[str, float], unit: Mapping[str, str], most: int = 4) -> str:
    """Return the values of a result in one line."""
    said = [f"{name} {shown(kind, name, value, unit)}" for name, value in list(found.items())[:most]]
    return " · ".join(said) + (" …" if len(found) > most else "")


def shown(kind: str, name: str, value: float, unit: Mapping[str, str]) -> str:
    """Return the value of a metric of a check type with its unit."""
    return units.show(value, unit.get(f"{kind}.{name}") or units.unit_of(name))


def first_line(message: str) -> str:
    lines = message.strip().splitlines()
    return lines[0] if lines else ""


def worst(alerts: Sequence[Alert]) -> Level:
    """Return the worst level of the alerts that are not ok; ok where there is none of them."""
    order = [Level.OK, Level.NODATA, Level.WARN, Level.CRITICAL]
    return max((alert.level for alert in alerts if is_bad(alert)), key=order.index, default=Level.OK)


def is_bad(alert: Alert) -> bool:
    return alert.status is not Status.OK


def _metric(rule: str) -> str:
    """The first identifier of a condition: `busy_ratio > 0.9` is about `busy_ratio`."""
    word = rule.strip().split(" ")[0] if rule else ""
    return word.strip("()")
