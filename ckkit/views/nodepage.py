"""
The page of a node: what it is, what is wrong, what changed, a chart a check, its processes.

It shows what it is given; the notebook asks. A chart has the values of a check, and below them the time it took.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

import ipywidgets as w

from ckkit.model import Alert, Check, Level, Node, Process, Result, State, Status, Transition
from ckkit.views import records, theme
from ckkit.views.cards import tags
from ckkit.views.grid import Grid
from ckkit.views.history import Measured, figures
from ckkit.views.plot import Plot
from ckkit.views.tables import Cell, Column, Table, ago, at, badge, number, state_level, tabulate, text

RANK = (Level.OK, Level.NODATA, Level.WARN, Level.CRITICAL)
FRESH = timedelta(seconds=30)  # and three intervals of the check
PROCESS_COLUMNS = [
    {"key": "pid", "label": "pid", "kind": "id", "width": "64px"},
    {"key": "process", "label": "process", "kind": "text", "width": "minmax(120px, 1fr)"},
    {"key": "user", "label": "user", "kind": "text", "width": "100px"},
    {"key": "cpu", "label": "CPU", "kind": "number", "unit": "ratio", "width": "64px"},
    {"key": "memory", "label": "memory", "kind": "number", "unit": "bytes", "width": "80px"},
    {"key": "share", "label": "of all", "kind": "number", "unit": "ratio", "width": "60px"},
    {"key": "command", "label": "command", "kind": "text", "width": "minmax(200px, 3fr)"},
]


class NodePage:
    """`box` is what is displayed: nothing until there is a node to show."""

    def __init__(self) -> None:
        self.head, self.checks, self.changes = w.HTML(), w.HTML(), w.HTML()
        self.charts = Plot()
        self.processes = Grid(
            key="pid",
            columns=PROCESS_COLUMNS,
            sort={"key": "cpu", "down": True},
            searchable=True,
            placeholder="search processes by name, user, command",
            empty="connecting …",
            height=460,
        )
        for part in (self.head, self.checks, self.changes):
            part.add_class("ck-facts")
        left = w.VBox([self.checks], layout=w.Layout(flex="3 1 560px", min_width="0"))
        right = w.VBox([self.changes], layout=w.Layout(flex="2 1 420px", min_width="0"))
        top = w.HBox([left, right], layout=w.Layout(width="100%", flex_flow="row wrap", grid_gap="20px"))
        shown = [self.head, top, _heading("The last hour", "UTC"), self.charts, _heading("Processes"), self.processes]
        self.box = w.VBox(shown, layout=w.Layout(width="100%", display="none"))

    def show_facts(
        self,
        node: Node,
        results: Sequence[tuple[Check, Result]],
        alerts: Sequence[Alert],
        changes: Sequence[Transition],
        *,
        unit: Mapping[str, str],
        now: datetime,
    ) -> None:
        """Show what the node is, what is wrong now, its newest results and its changes; `unit` is by `type.metric`."""
        self.box.layout.display = None
        self.head.value = header(node, level_of(results, alerts, now))
        self.checks.value = theme.page(newest(results, now).html())
        bad = [alert for alert in alerts if records.is_bad(alert)]
        self.changes.value = theme.page(wrong(bad, unit).html() + changed(changes).html())

    def show_history(self, measured: Sequence[Measured], changes: Sequence[Transition] = ()) -> None:
        """Show a chart a check, with its changes of state."""
        self.charts.show(*figures(measured, changes))

    def show_processes(self, processes: Sequence[Process], said: str = "") -> None:
        """Show the process table, or why there is none."""
        self.processes.empty = said or "no process"
        self.processes.fill(
            {
                "pid": [p.pid for p in processes],
                "process": [p.name for p in processes],
                "user": [p.user for p in processes],
                "cpu": [p.cpu_ratio for p in processes],
                "memory": [p.memory_bytes for p in processes],
                "share": [p.memory_ratio for p in processes],
                "command": [p.command for p in processes],
            }
        )


def header(node: Node, level: Level) -> str:
    """Return the name of a node with its level and tags, and below it what is known of it."""
    facts = {
        "public": ", ".join(node.public_addresses),
        "private": ", ".join(node.private_addresses),
        "provider": node.provider,
        "state": node.state,
        **node.details,
    }
    style = (
        "<style>.ckv .top{font-size:20px;align-items:center}.ckv .top .tag{font-weight:400}"
        ".ckv.ckv .facts{display:flex;flex-wrap:wrap;gap:2px 24px;margin:2px 0 12px}</style>"
    )
    name = f"<span>{escape(node.name)}</span>{badge(level)}<span>{tags(node.tags)}</span>"
    said = "".join(
        f'<span><span class="dim">{escape(key)}</span> {escape(value)}</span>' for key, value in facts.items() if value
    )
    return theme.page(f'{style}<div class="head top">{name}</div><p class="facts">{said}</p>')


def level_of(results: Sequence[tuple[Check, Result]], alerts: Sequence[Alert], now: datetime) -> Level:
    """Return how a node stands: the worst of its firing alerts and of its young results, as the overview has it."""
    young = [result for check, result in results if now - result.ts <= max(3 * check.every, FRESH)]
    levels = [alert.level for alert in alerts if alert.status is Status.FIRING]
    levels += [state_level(result.state) for result in young] or [Level.NODATA]
    return max(levels, key=RANK.index)


def newest(results: Sequence[tuple[Check, Result]], now: datetime) -> Table:
    """Return the newest result of each check."""
    columns = [
        Column("check", lambda r: text(r[0].name)),
        Column("state", lambda r: _state(r[1].state)),
        Column("said", lambda r: text(r[1].status)),
        Column("took", lambda r: number(r[1].took_seconds, "seconds")),
        Column("result", lambda r: Cell(ago(r[1].ts, now), "number", note=f"{r[1].ts.astimezone(UTC):%H:%M:%S} UTC")),
    ]
    return tabulate("Checks", columns, results, "no results in the last hour")


def wrong(alerts: Sequence[Alert], unit: Mapping[str, str]) -> Table:
    """Return the alerts of a node that are not ok."""
    columns = [
        Column("status", lambda a: Cell(str(a.status), level=a.level)),
        Column("monitor", lambda a: text(a.monitor, note=a.text)),
        Column("check", lambda a: text(a.check)),
        Column("value", lambda a: records.measured(a.value, a.rule, a.check, unit)),
        Column("condition", lambda a: text(records.condition(a))),
        Column("since (UTC)", lambda a: at(a.since)),
    ]
    return tabulate("Alerts", columns, alerts, "none: every monitor is ok")


def changed(changes: Sequence[Transition]) -> Table:
    """Return changes of state, the newest first."""
    columns = [
        Column("at (UTC)", lambda t: at(t.slot)),
        Column("now", lambda t: Cell(str(t.after), level=Level.OK if t.after is Status.OK else t.level)),
        Column("was", lambda t: text(t.before)),
        Column("monitor", lambda t: text(t.monitor)),
        Column("check", lambda t: text(t.check)),
        Column("reason", lambda t: text(t.reason)),
    ]
    return tabulate("Recent changes", columns, changes, "none in the last 7 days")


def _state(state: State) -> Cell:
    """A state that is ok is no news: it is told without a badge."""
    return Cell(f"{theme.LEVEL_MARK[Level.OK]} ok") if state is State.OK else Cell(str(state), level=state_level(state))


def _heading(title: str, more: str = "") -> w.HTML:
    dim = f'<span class="dim" style="font-size:12px;font-weight:400">{escape(more)}</span>'
    return w.HTML(theme.page(f'<p class="head" style="margin:14px 0 4px">{escape(title)}{dim if more else ""}</p>'))
