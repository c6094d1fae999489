"""
The page of a node: what it is, what is wrong, what changed, a chart a check, its processes.

It shows what it is given; the notebook asks. A chart has the values of a check, and below them the time it took.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Protocol

import ipywidgets as w

from ckkit.model import Check, Process
from ckkit.views import theme
from ckkit.views.charts import chart
from ckkit.views.widgets import Grid, Plot

TOOK = "took_seconds"
PROCESS_COLUMNS = [
    {"key": "pid", "label": "pid", "kind": "count", "width": "72px"},
    {"key": "process", "label": "process", "kind": "text", "width": "minmax(120px, 1fr)"},
    {"key": "user", "label": "user", "kind": "text", "width": "100px"},
    {"key": "cpu", "label": "CPU", "kind": "number", "unit": "ratio", "width": "70px"},
    {"key": "memory", "label": "memory", "kind": "number", "unit": "bytes", "width": "86px"},
    {"key": "share", "label": "of all", "kind": "number", "unit": "ratio", "width": "64px"},
    {"key": "command", "label": "command", "kind": "text", "width": "minmax(200px, 3fr)"},
]


class Measured(Protocol):
    """What a check measured: `frame` has ts, the metrics, took_seconds."""

    @property
    def check(self) -> Check: ...
    @property
    def unit(self) -> str: ...
    @property
    def metrics(self) -> tuple[str, ...]: ...
    @property
    def frame(self) -> Any: ...


class NodePage:
    """`box` is what is displayed."""

    def __init__(self) -> None:
        self.head, self.changes = w.HTML(), w.HTML()
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
        self.title = w.HTML()
        for part in (self.head, self.changes):
            part.add_class("ck-facts")
        left = w.VBox([self.head], layout=w.Layout(flex="3 1 560px", min_width="0"))
        right = w.VBox([self.changes], layout=w.Layout(flex="2 1 420px", min_width="0"))
        top = w.HBox([left, right], layout=w.Layout(width="100%", flex_flow="row wrap", grid_gap="24px"))
        self.box = w.VBox([top, _heading("The last hour"), self.charts, self.title, self.processes])

    def show_facts(self, node_html: str, changes_html: str) -> None:
        """Show the card of the node and its changes of state."""
        self.head.value, self.changes.value = node_html, changes_html

    def show_history(self, measured: Iterable[Measured]) -> None:
        """Show a chart a check."""
        self.charts.show(*(figure(one) for one in measured))

    def show_processes(self, processes: Sequence[Process], said: str = "") -> None:
        """Show the process table, or why there is none."""
        self.title.value = _heading("Processes").value
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


def figure(measured: Measured) -> dict[str, Any]:
    """Return the chart of a check as plotly's JSON: its values above, the time that it took below."""
    table = measured.frame.arrow
    values = chart(
        _Columns(table.select(["ts", *measured.metrics])), measured.check.name, unit=measured.unit, height=270
    )
    took = chart(_Columns(table.select(["ts", TOOK])), "", unit="seconds")
    drawn: dict[str, Any] = {"data": [dict(trace) for trace in values.data], "layout": dict(values.layout)}
    if not (values.data and took.data):
        return drawn
    layout = drawn["layout"]
    layout["yaxis"] = {**layout["yaxis"], "domain": [0.36, 1]}
    layout["yaxis2"] = {**took.layout["yaxis"], "domain": [0, 0.2], "anchor": "x", "nticks": 3}
    layout["yaxis2"]["title"] = {"text": f"took {took.layout['yaxis']['title']['text']}", "font": {"size": 10}}
    layout["xaxis"] = {**layout["xaxis"], "anchor": "y2"}
    layout["margin"] = {**layout["margin"], "t": 34, "b": 46}
    line = {"color": theme.ink(), "width": 1, "dash": "dot"}
    drawn["data"] += [
        {**trace, "name": "took", "yaxis": "y2", "line": line, "showlegend": False} for trace in took.data
    ]
    return drawn


class _Columns:
    """Some columns of a table, as a chart takes them."""

    def __init__(self, table: Any) -> None:
        self.arrow = table


def _heading(text: str) -> w.HTML:
    return w.HTML(theme.page(f'<p class="head" style="margin:14px 0 4px">{escape(text)}</p>'))
