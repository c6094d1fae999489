"""
What a person, or a program, is told: one Message with every form that a notifier may want. Pure.

The payload of webhooks has the shape of Cloudkick's (`account`, `severity`, `check`, `type`, `url`, `method`, `node`,
`state_change`), so that what listened to those still does; what is ours lies under `ckkit`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import quote

from ckkit.alerts.judges import News
from ckkit.durations import show_duration
from ckkit.model import Check, Level, Message, Monitor, Node, Status
from ckkit.rules import Cause, lookback

SEVERITIES = {Level.OK: "OK", Level.WARN: "WARNING", Level.CRITICAL: "ERROR", Level.NODATA: "UNKNOWN"}
STATES = {Level.OK: "Ok", Level.WARN: "Warning", Level.CRITICAL: "Error", Level.NODATA: "Unknown"}
WORDS = {Level.OK: "OK", Level.WARN: "WARN", Level.CRITICAL: "CRITICAL", Level.NODATA: "NO DATA"}
_BY_CONDITION = (Cause.CONDITION, Cause.BETWEEN, Cause.CLEAR, Cause.RECOVERED)
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a message needs beside the news: the rule (None: it is gone), its column, the check, where the pages are."""

    monitor: Monitor | None
    column: str = ""
    check: Check | None = None
    pages: str = ""
    account: str = ""


def node_page(pages: str, node: str) -> str:
    """
    Return the address of a node's page.

    >>> node_page("http://127.0.0.1:8866", "web 0")
    'http://127.0.0.1:8866/voila/render/node.ipynb?node=web%200'
    """
    return f"{pages.rstrip('/')}/voila/render/node.ipynb?node={quote(node, safe='')}"


def render(news: News, around: Surroundings, now: datetime) -> Message:
    """Write the message of news to be told: what was measured, the threshold, since when, where, and the link."""
    alert, over = news.alert, news.kind == "recovery"
    level = Level.OK if over else alert.level
    name = f"{alert.monitor} on {alert.node}"
    title = f"OK: {name} is over ({alert.check})" if over else f"{WORDS[level]}: {name} ({alert.check})"
    lines = _lines(news, around, now)
    link = node_page(around.pages, alert.node)
    text = "\n".join([title, "", *(f"{head + ':':<11} {said}" for head, said in lines), "", link])
    rows = "".join(f"<tr><th align='left'>{escape(h)}</th><td>{escape(said)}</td></tr>" for h, said in lines)
    html = f"<h3>{escape(title)}</h3><table>{rows}</table><p><a href='{escape(link)}'>{escape(alert.node)}</a></p>"
    payload = _payload(news, around, now, link)
    return Message(title=title, text=text, html=html, kind=news.kind, level=level, payload=payload)


def trial_message(address: str, pages: str, now: datetime) -> Message:
    """Write the message by which a person tries an address."""
    title = f"ckkit: a test of the address {address}"
    text = f"{title}\n\nIf you read this, notifications to {address} arrive. Sent {_at(now)}.\n{pages}"
    payload = {"severity": "OK", "check": "test", "type": "TEST", "ckkit": {"kind": "test", "sent": now.isoformat()}}
    html = f"<p>{escape(text)}</p>".replace("\n", "<br>")
    return Message(title=title, text=text, html=html, kind="test", level=Level.OK, payload=payload)


def measured(news: News, around: Surroundings) -> str:
    """Say in one line what was found."""
    alert = news.alert
    if alert.reason == Cause.UNWATCHED:
        return "no monitor watches this check any more"
    if alert.reason == Cause.ERROR:
        return f"the check failed: {alert.text or 'it did not say why'}"
    if alert.reason == Cause.MISSING:
        return "no result" + (f" since {_at(alert.result_at)}" if alert.result_at else "")
    if alert.reason == Cause.REPORT:
        said = [alert.text] if alert.text else []
        return ", ".join([*said, *([] if alert.value is None else [f"value {alert.value:g}"])]) or "reported"
    column = around.column or "value"
    if around.monitor is not None and around.monitor.window:
        column = f"{around.monitor.aggregate} of {column} in {show_duration(around.monitor.window)}"
    return f"{column} = {_value(around.column, alert.value)}"


def _lines(news: News, around: Surroundings, now: datetime) -> list[tuple[str, str]]:
    alert, over = news.alert, news.kind == "recovery"
    began = news.since or alert.since
    lines = [("measured", measured(news, around))]
    if alert.rule and alert.reason in _BY_CONDITION:
        lines.append(("threshold", alert.rule))
    if began is not None:
        ended = alert.slot if over else now
        lines.append(("since", f"{_at(began)} ({'lasted' if over else 'for'} {_span(ended - began)})"))
    if over:
        lines.append(("over since", _at(alert.slot)))
    node = news.node
    facts = [node.address] if node.address != node.name else []
    facts += [f"tags {', '.join(node.tags)}"] if node.tags else []
    lines.append(("node", node.name + (f" ({'; '.join(facts)})" if facts else "")))
    lines.append(("check", alert.check))
    if around.monitor is not None and around.monitor.message and not over:
        lines.append(("to do", around.monitor.message))
    return lines


def _payload(news: News, around: Surroundings, now: datetime, link: str) -> dict[str, Any]:
    alert, over = news.alert, news.kind == "recovery"
    level, before = (Level.OK, news.knows) if over else (alert.level, news.knows)
    began = news.since or alert.since
    details = measured(news, around)
    kind, _, instance = alert.check.partition(":")
    changed = alert.slot if over else (alert.since or alert.slot)
    return {
        "account": around.account,
        "severity": SEVERITIES[level],
        "check": f"{kind.upper()} - {instance}" if instance else kind.upper(),
        "type": kind.upper(),
        "url": link,
        "method": "POST",
        "node": _node(news.node),
        "state_change": {
            "current": _state(level, changed, now - changed, details),
            "previous": _state(before, began, changed - began if began else timedelta(0), ""),
        },
        "ckkit": {
            "kind": news.kind,
            "key": key(news),
            "monitor": alert.monitor,
            "node": alert.node,
            "check": alert.check,
            "instance": instance,
            "status": str(Status.OK if over else alert.status),
            "level": str(level),
            "metric": around.column,
            "value": alert.value,
            "rule": alert.rule,
            "window_seconds": alert.window.total_seconds(),
            "lookback_seconds": lookback(around.check).total_seconds() if around.check else None,
            "reason": alert.reason,
            "text": details,
            "since": _iso(began),
            "fired_at": _iso(alert.fired_at),
            "slot": _iso(alert.slot),
            "result_at": _iso(alert.result_at),
            "message": around.monitor.message if around.monitor else "",
            "link": link,
        },
    }


def key(news: News) -> str:
    """Return what is the same for a message sent twice, and differs for any other: receivers may drop repeats by it."""
    alert = news.alert
    parts = (alert.monitor, alert.node, alert.check, news.kind, alert.level, _iso(news.since or alert.since))
    return sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def _state(level: Level, at: datetime | None, lasted: timedelta, details: str) -> dict[str, Any]:
    seconds = max(0, round(lasted.total_seconds()))
    return {"status": STATES[level], "duration": seconds, "status_details": details, "time": _iso(at)}


def _node(node: Node) -> dict[str, Any]:
    """The node in the fields of Cloudkick's webhook. There is no agent here: what knows the node is its provider."""
    return {
        "name": node.name,
        "id": f"n{node.node_id}" if node.node_id is not None else None,
        "ipaddress": node.address,
        "tags": list(node.tags),
        "color": None,
        "active": node.state == "running",
        "state": node.state,
        "agent_state": "UNKNOWN",
        "provider_id": None,
        "provider_name": node.provider,
        "provider_type": node.provider.upper(),
        "details": {name: [value] for name, value in node.details.items()},
    }


def _value(column: str, value: float | None) -> str:
    """
    Write a value, and again in the unit that its column's name ends in.

    >>> _value("used_ratio", 0.9531), _value("free_bytes", 3221225472.0), _value("load_1m", 4.25)
    ('0.9531 (95.3 %)', '3221225472 (3.0 GiB)', '4.25')
    """
    if value is None:
        return "no value"
    plain = f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"
    if column.endswith("_ratio"):
        return f"{plain} ({value * 100:.1f} %)"
    if column.endswith("_bytes") and abs(value) >= 1024:
        power = min(len(_BYTES) - 1, (int(abs(value)).bit_length() - 1) // 10)
        return f"{plain} ({value / 1024**power:.1f} {_BYTES[power]})"
    return plain + (" s" if column.endswith("_seconds") else "")


def _span(span: timedelta) -> str:
    return show_duration(timedelta(seconds=max(0, round(span.total_seconds()))))


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
