"""Cards: what one record, or a list of them, looks like at a glance. Records in, HTML out; everything is escaped."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape

from ckkit.durations import show_duration
from ckkit.model import Alert, Check, Evaluation, Level, Monitor, Node, Result, Status
from ckkit.views import records
from ckkit.views.tables import Table, badge, number, state_level, utc
from ckkit.views.theme import LEVEL_WORD, page

MOST_CARDS = 60


def node_cards(nodes: Sequence[Node], checks: Mapping[str, int], levels: Mapping[str, Level], title: str = "") -> str:
    """Return a card a node. `levels` holds the nodes whose level is known; the others show none."""
    if not nodes:
        return page('<p class="dim">no node matches</p>')
    shown = "".join(_node_card(node, checks.get(node.name), levels.get(node.name)) for node in nodes[:MOST_CARDS])
    left = len(nodes) - MOST_CARDS
    more = f'<p class="dim">and {left:,} more nodes, not drawn: narrow the query</p>' if left > 0 else ""
    head = f'<div class="head">{escape(title)}</div>' if title else ""
    return page(f'{head}<div class="cards" role="list">{shown}</div>{more}')


def _node_card(node: Node, checks: int | None, level: Level | None) -> str:
    facts = [node.provider, node.state] + ([] if checks is None else [plural(checks, "check")])
    return (
        f'<div class="card" role="listitem">{head(node.name, level)}'
        f'<p>{escape(node.address)}</p><p class="dim">{escape(" · ".join(facts))}</p><p>{tags(node.tags)}</p></div>'
    )


def node(
    node: Node,
    results: Sequence[tuple[Check, Result]],
    alerts: Sequence[Alert],
    unit: Mapping[str, str],
) -> str:
    """Return the card of one node: its addresses and tags, its alerts, the newest result of each check."""
    facts = {
        "state": node.state,
        "provider": node.provider,
        "public": ", ".join(node.public_addresses),
        "private": ", ".join(node.private_addresses),
        **node.details,
    }
    bad = [alert for alert in alerts if records.is_bad(alert)]
    parts = [
        head(node.name, records.worst(alerts)),
        definitions(facts),
        f"<p>{tags(node.tags)}</p>" if node.tags else "",
        records.alerts(bad, unit, "alerts").html() if bad else "",
        records.results(results, unit, "newest results").html(),
    ]
    return panel(*parts)


def monitor(
    monitor: Monitor,
    standing: records.Standing | None,
    bad: Sequence[Alert],
    problems: Sequence[str],
    unit: Mapping[str, str],
) -> str:
    """Return the card of one monitor: its rule in words, what is wrong with its file, its alerts that are not ok."""
    judged = f"{plural(standing.judged, 'instance')} judged, {standing.bad} not ok" if standing else "not judged yet"
    parts = [
        head(monitor.name, standing.level if standing else None),
        _problems(problems),
        definitions(rule(monitor)),
        records.alerts(bad, unit, judged).html() if bad else f'<p class="dim">{judged}</p>',
    ]
    return panel(*parts)


def monitors(
    items: Sequence[Monitor], now: Mapping[str, records.Standing], problems: Mapping[str, Sequence[str]]
) -> str:
    """Return the table of monitors, and above it what is wrong with their files."""
    return page(
        _problems([each for found in problems.values() for each in found]) + records.monitors(items, now).html()
    )


def _problems(problems: Sequence[str]) -> str:
    return "".join(f"<p>{badge(Level.CRITICAL, 'problem')} {escape(problem)}</p>" for problem in problems)


def rule(monitor: Monitor) -> dict[str, str]:
    """Return a monitor's rule as words and their values; what is not set is empty."""
    instance = "" if monitor.instance == "*" else f", instance {monitor.instance}"
    return {
        "watches": f"{monitor.check}{instance}, on the nodes {monitor.nodes}",
        "judges": "levels that a notebook reports" if monitor.reported else records.over(monitor),
        "warn": monitor.warn or "",
        "critical": monitor.critical or "",
        "recovers when": monitor.recovery or "",
        "fires after": _span(monitor.hold),
        "keeps firing for": _span(monitor.keep_firing_for),
        "without results": monitor.missing,
        "a failed check is": monitor.on_error,
        "tells": ", ".join(monitor.notify),
        "says": monitor.message,
        "file": f"{monitor.file} (version {monitor.version})" if monitor.file else "",
    }


def alert(alert: Alert, unit: Mapping[str, str]) -> str:
    """Return the card of one alert: what was measured, against what, since when, and who was told."""
    value = records.measured(alert.value, alert.rule, alert.check, unit).text
    facts = {
        "monitor": alert.monitor,
        "level": LEVEL_WORD[alert.level],
        "measured": value,
        "condition": alert.rule,
        "window": _span(alert.window),
        "result at": _time(alert.result_at),
        "since": _time(alert.since),
        "fired": _time(alert.fired_at),
        "judged": _time(alert.slot),
        "reason": alert.reason,
        "told": f"{alert.told} at {_time(alert.told_at)}" if alert.told_at else "nobody",
    }
    level = Level.OK if alert.status is Status.OK else alert.level
    said = f"<p>{escape(alert.text)}</p>" if alert.text else ""
    return panel(head(f"{alert.node} · {alert.check}", level, str(alert.status)), said, definitions(facts))


def evaluation(found: Evaluation) -> str:
    """Return the summary of one tick."""
    changed, bad = len(found.transitions), [alert for alert in found.alerts if records.is_bad(alert)]
    sent = sum(decision.address is not None for decision in found.decisions)
    facts = {
        "slot": f"{_time(found.slot)}" + (", evaluated before: nothing was done" if found.repeated else ""),
        "by": found.by,
        "judged": f"{plural(found.monitors, 'monitor')}, {plural(found.instances, 'instance')}",
        "not ok": str(len(bad)),
        "changed": str(changed),
        "told": plural(sent, "address", "addresses"),
        "took": number(found.took_seconds, "seconds").text,
    }
    return panel(head("evaluation", records.worst(found.alerts)), definitions(facts))


def result(result: Result, check: str, unit: Mapping[str, str]) -> str:
    """Return the card of one result; `check` is the key of its check, `unit` maps `type.metric` to its unit."""
    kind = check.partition("/")[2].partition(":")[0]
    facts = {
        "said": result.status,
        **{name: records.shown(kind, name, value, unit) for name, value in result.values.items()},
        "took": number(result.took_seconds, "seconds").text,
        "at": _time(result.ts),
    }
    return panel(head(check, state_level(result.state), str(result.state)), definitions(facts))


def head(name: str, level: Level | None = None, word: str = "") -> str:
    return f'<div class="head"><span>{escape(name)}</span>{badge(level, word) if level else ""}</div>'


def panel(*parts: str) -> str:
    return page(f'<div class="panel">{"".join(parts)}</div>')


def definitions(facts: Mapping[str, str]) -> str:
    """Return words and their values as a list; what is empty is left out."""
    lines = "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in facts.items() if v)
    return f"<dl>{lines}</dl>"


def tags(names: Sequence[str]) -> str:
    return "".join(f'<span class="tag">{escape(name)}</span>' for name in names)


def stacked(*tables: Table) -> str:
    """Return several tables under each other."""
    return page("".join(table.html() for table in tables))


def plural(amount: int, one: str, many: str = "") -> str:
    """
    Return a number and its noun.

    >>> plural(1, "check"), plural(1200, "check"), plural(0, "address", "addresses")
    ('1 check', '1,200 checks', '0 addresses')
    """
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def _span(value: timedelta) -> str:
    return show_duration(value) if value else ""


def _time(when: datetime | None) -> str:
    return "" if when is None else f"{utc(when)} UTC"
