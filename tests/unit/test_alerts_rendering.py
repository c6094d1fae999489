"""
Messages, held to copies that people have looked at, in tests/golden/alerts.

After a change that is meant: CKKIT_GOLDEN=write pytest tests/unit/test_alerts_rendering.py, and look at the difference.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ckkit.alerts.judges import News
from ckkit.alerts.rendering import Surroundings, key, node_page, render, trial_message
from ckkit.model import Alert, Check, Level, Monitor, Node, Status

GOLDEN = Path(__file__).parents[1] / "golden" / "alerts"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NODE = Node(
    name="web0",
    node_id=7,
    provider="libcloud",
    tags=("web", "prod"),
    public_addresses=("203.0.113.7",),
    details={"rack": "7 <b>"},
)
CHECK = Check(node="web0", type="disk", instance="/", check_id=1)
MONITOR = Monitor(
    name="disk_full",
    nodes="tag:web",
    check="disk",
    warn="used_ratio > 0.8",
    critical="used_ratio > 0.9",
    message="make room: du -x / | sort -n",
)
FIRING = Alert(
    monitor="disk_full",
    node="web0",
    check="disk:/",
    check_id=1,
    status=Status.FIRING,
    level=Level.CRITICAL,
    slot=NOW,
    since=NOW - timedelta(minutes=2),
    fired_at=NOW,
    value=0.9531,
    rule="used_ratio > 0.9",
    result_at=NOW,
    reason="condition",
)


def changed(**how):
    return Alert(**{name: how.get(name, getattr(FIRING, name)) for name in FIRING.__dataclass_fields__})


def told(alert, knows=Level.OK, monitor=MONITOR, column="used_ratio"):
    news = News(alert=alert, node=NODE, address="oncall", knows=knows, since=FIRING.since)
    around = Surroundings(monitor=monitor, column=column, check=CHECK, pages="http://127.0.0.1:8866/", account="ops")
    return render(news, around, NOW)


OVER = changed(status=Status.OK, level=Level.OK, value=0.61, reason="recovered", since=None, fired_at=None)
WINDOWED = Monitor(
    name="disk_full", nodes="*", check="disk", critical="free_bytes < 5e9", aggregate="min", window=timedelta(minutes=5)
)
MESSAGES = {
    "problem": lambda: told(FIRING),
    "recovery": lambda: told(OVER, knows=Level.CRITICAL),
    "error": lambda: told(
        changed(value=None, text="connection refused by <10.0.0.1:80> & gone", rule="the check fails", reason="error")
    ),
    "nodata": lambda: told(
        changed(level=Level.NODATA, value=None, rule="no result", reason="missing"), knows=Level.CRITICAL
    ),
    "window": lambda: told(
        changed(value=3221225472.0, rule="free_bytes < 5e9", window=timedelta(minutes=5)),
        monitor=WINDOWED,
        column="free_bytes",
    ),
    "report": lambda: told(
        changed(level=Level.WARN, value=20.5, text="full in 20 h", rule="reported by a notebook", reason="report")
    ),
    "gone": lambda: told(
        changed(status=Status.OK, level=Level.OK, reason="unwatched", since=None), knows=Level.WARN, monitor=None
    ),
}


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_message_is_as_it_was_looked_at(name):
    message = MESSAGES[name]()
    forms = {"txt": message.text, "html": message.html, "json": json.dumps(message.payload, indent=1)}
    for ending, text in forms.items():
        path = GOLDEN / f"{name}.{ending}"
        if os.environ.get("CKKIT_GOLDEN") == "write":
            path.write_text(text + "\n")
        assert path.read_text() == text + "\n", f"{path.name}: CKKIT_GOLDEN=write, and look at the difference"


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_message_says_what_where_since_when_and_links_to_the_node(name):
    message = MESSAGES[name]()
    for form in (message.text, message.html):
        assert "web0" in form
        assert "disk:/" in form
        assert "2026-11-24 11:58:00 UTC" in form
        assert "http://127.0.0.1:8866/voila/render/node.ipynb?node=web0" in form
    assert message.title in message.text
    assert json.loads(json.dumps(message.payload)) == message.payload


class _Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_html_is_whole_and_what_a_check_said_is_escaped(name):
    html = MESSAGES[name]().html
    reader = _Balanced()
    reader.feed(html)
    assert reader.open == []
    assert "<10.0.0.1" not in html


def test_the_payload_has_the_keys_of_cloudkicks_webhook():
    payload = MESSAGES["problem"]().payload
    assert {"account", "severity", "check", "type", "url", "method", "node", "state_change"} <= payload.keys()
    assert (payload["severity"], payload["check"], payload["type"], payload["method"]) == (
        "ERROR",
        "DISK - /",
        "DISK",
        "POST",
    )
    node = {"name", "id", "ipaddress", "tags", "color", "active", "state", "agent_state", "provider_id"}
    assert node | {"provider_name", "provider_type", "details"} == payload["node"].keys()
    for moment in ("current", "previous"):
        assert payload["state_change"][moment].keys() == {"status", "duration", "status_details", "time"}
    assert payload["node"]["details"] == {"rack": ["7 <b>"]}


def test_a_repeat_has_the_key_of_the_first_and_other_news_has_not():
    news = News(alert=FIRING, node=NODE, address="oncall", since=FIRING.since)
    later = News(
        alert=changed(value=0.99, slot=NOW + timedelta(minutes=1)), node=NODE, address="oncall", since=FIRING.since
    )
    other = News(alert=changed(level=Level.WARN), node=NODE, address="oncall", since=FIRING.since)
    over = News(alert=OVER, node=NODE, address="oncall", knows=Level.CRITICAL, since=FIRING.since)
    assert key(news) == key(later)
    assert len({key(news), key(other), key(over)}) == 3


def test_a_test_message_says_that_it_is_one():
    message = trial_message("oncall", "http://127.0.0.1:8866", NOW)
    assert message.kind == "test"
    assert "a test of the address oncall" in message.title


def test_the_link_carries_any_name():
    assert node_page("http://h", "a/b&c") == "http://h/voila/render/node.ipynb?node=a%2Fb%26c"
