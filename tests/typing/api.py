"""How people use ckkit, as a type checker sees it. Checked by mypy, never run."""

from datetime import datetime, timedelta

import ckkit as ck


def api() -> None:
    kit: ck.Kit = ck.open()
    busy: ck.Frame = kit.series("cpu.busy_ratio", "tag:web", since="6h", step=timedelta(minutes=1))
    also: ck.Frame = kit.series("cpu.busy_ratio", since=datetime.now().astimezone())
    rows: ck.Frame = kit.sql("select node from checks.cpu where node = $node", node="web0")
    names: list[str] = [node.name for node in kit.nodes.list("tag:web")]
    firing: list[ck.Status] = [alert.status for alert in kit.alerts.list("firing")]
    reasons: list[str] = [decision.reason for decision in kit.monitors.evaluate().record.decisions]
    chart: object = ck.chart(busy, title="busy").figure()
