"""
What is drawn, held to copies that people have looked at, in tests/golden/views.

After a change that is meant: CKKIT_GOLDEN=write pytest tests/unit/test_views_golden.py, and look at the difference.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from ckkit.kit.evaluation import EvaluationView
from ckkit.kit.lists import AlertList, CheckList, MonitorList, NodeList, RunList
from ckkit.model import (
    Alert,
    Check,
    Decision,
    Evaluation,
    Level,
    Monitor,
    Node,
    Result,
    Run,
    State,
    Status,
    Transition,
)
from ckkit.views import cards
from ckkit.views.charts import chart
from ckkit.views.records import Standing
from ckkit.views.theme import CSS

GOLDEN = Path(__file__).parents[1] / "golden" / "views"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
UNITS = {"cpu.busy_ratio": "ratio", "disk.free_bytes": "bytes"}


@dataclass(frozen=True)
class Held:
    arrow: pa.Table


NODES = (
    Node(name="web0", tags=("web", "prod"), private_addresses=("10.0.0.1",), details={"rack": "7"}),
    Node(name="db<0>", provider="libcloud", state="stopped", public_addresses=("2001:db8::1",)),
)
CHECKS = (
    Check(node="web0", type="cpu", check_id=1),
    Check(node="web0", type="http", instance="home", check_id=2, params={"url": "http://web0/?a=1&b=<2>"}),
)
RESULTS = (
    Result(check_id=1, ts=NOW, state=State.OK, took_seconds=0.0004, values={"busy_ratio": 0.123, "user_ratio": 0.1}),
    Result(check_id=2, ts=NOW, state=State.ERR, took_seconds=8, status="refused by 10.0.0.1:80"),
)
FIRING = Alert(
    monitor="busy", node="web0", check="cpu", check_id=1, status=Status.FIRING, level=Level.CRITICAL, slot=NOW,
    since=NOW - timedelta(minutes=12), fired_at=NOW - timedelta(minutes=11), value=0.953, rule="busy_ratio > 0.9",
    window=timedelta(minutes=5), result_at=NOW - timedelta(seconds=3), reason="held", text="busy <95 %>",
    told=Status.FIRING, told_at=NOW - timedelta(minutes=11),
)  # fmt: skip
FINE = Alert(
    monitor="disk full", node="web0", check="disk:/", check_id=3, status=Status.OK, level=Level.OK, slot=NOW,
    value=4.5e9, rule="free_bytes < 1e9", result_at=NOW,
)  # fmt: skip
CHANGE = Transition(
    slot=NOW, monitor="busy", node="web0", check="cpu", check_id=1, before=Status.PENDING, after=Status.FIRING,
    level=Level.CRITICAL, reason="held", value=0.953,
)  # fmt: skip
EVALUATION = Evaluation(
    slot=NOW, by="notebook", monitors=4, instances=1300, took_seconds=0.0213, alerts=(FIRING,), transitions=(CHANGE,),
    decisions=(
        Decision(slot=NOW, monitor="busy", node="web0", check="cpu", kind="problem", address="oncall", reason="first"),
        Decision(slot=NOW, monitor="busy", node="web1", check="cpu", kind="none", address=None, reason="silenced"),
    ),
    steps={"levels": 0.0091, "step": 0.004},
)  # fmt: skip
MONITOR = Monitor(
    name="busy", nodes="tag:web", check="cpu", warn="busy_ratio > 0.8", critical="busy_ratio > 0.9", aggregate="avg",
    window=timedelta(minutes=5), hold=timedelta(minutes=1), notify=("oncall",), file="monitors/cpu.toml",
)  # fmt: skip
RUNS = (
    Run(run_id="r1", job="evaluate", notebook="e.ipynb", state="ok", started=NOW, finished=NOW + timedelta(seconds=1)),
    Run(run_id="r2", job="disk", notebook="d.ipynb", state="failed", started=NOW, error="NotFound: no <node>\nmore"),
)
PAGES: dict[str, Callable[[], str]] = {
    "nodes": NodeList.of(NODES, {"web0": 9}, {"web0": Level.CRITICAL})._repr_html_,
    "node": lambda: cards.node(NODES[0], list(zip(CHECKS, RESULTS, strict=True)), [FIRING, FINE], UNITS),
    "alerts": AlertList.of([FIRING, FINE], UNITS)._repr_html_,
    "alert": lambda: cards.alert(FIRING, UNITS),
    "monitor": lambda: cards.monitor(
        MONITOR, Standing(Level.CRITICAL, 1, 40), [FIRING], ["monitors/cpu.toml:3: there is no key 'x'"], UNITS
    ),
    "monitors": MonitorList.of(
        [MONITOR], {"busy": ["monitors/cpu.toml:3: no <key> 'x'"]}, {"busy": Standing(Level.CRITICAL, 1, 40)}
    )._repr_html_,
    "evaluation": EvaluationView(EVALUATION, UNITS)._repr_html_,
    "checks": CheckList(CHECKS)._repr_html_,
    "runs": RunList(RUNS)._repr_html_,
}


def series() -> Held:
    facts = {"metric": "cpu.busy_ratio", "unit": "ratio", "nodes": "tag:web", "step_seconds": 15}
    facts |= {"since": (NOW - timedelta(minutes=2)).isoformat(), "until": NOW.isoformat()}
    times = [NOW - timedelta(seconds=15 * i) for i in (8, 7, 6, 2, 1)]
    columns = {
        "bucket": pa.array(times * 2, pa.timestamp("us", "UTC")),
        "node": ["web0"] * 5 + ["web1"] * 5,
        "instance": [""] * 10,
        "value": [0.1, 0.2, 0.3, 0.4, 0.5, 0.15, 0.25, 0.35, 0.45, 0.55],
    }
    return Held(pa.table(columns).replace_schema_metadata({"ckkit": json.dumps(facts)}))


def held_to(name: str, found: str) -> None:
    path = GOLDEN / name
    if os.environ.get("CKKIT_GOLDEN") == "write":
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_html_is_as_it_was_looked_at(name: str) -> None:
    html = PAGES[name]().replace(f"<style>{CSS}</style>", "")
    held_to(f"{name}.html", html.replace("><", ">\n<") + "\n")


def test_the_text_of_an_alert_list_is_as_it_was_looked_at() -> None:
    held_to("alerts.txt", repr(AlertList.of([FIRING, FINE], UNITS)) + "\n")


def test_a_chart_is_as_it_was_looked_at() -> None:
    spec = chart(series(), annotations=[CHANGE]).spec
    held_to("chart.json", json.dumps(spec, indent=1, ensure_ascii=False) + "\n")
