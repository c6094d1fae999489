"""The charts of what the checks of a node measured: values above, the time that the check took below."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

from ckkit.model import Check, Transition
from ckkit.views import theme
from ckkit.views.charts import Chart, chart, moments
from ckkit.views.tables import utc

TOOK = "took_seconds"
PLOT_PX, ROW_PX = 236, 20  # the height of a chart without its legend; of a row of that
LEGEND_PX, LETTER_PX, KEY_PX = 380, 7, 46  # what a row has room for: letters, and before each name its line
# An hour needs no date, and a chart so small no label that is turned; the zone stands in the heading.
_TICKS = {
    "nticks": 5,
    "tickangle": 0,
    "tickformatstops": [
        {"dtickrange": [None, 30_000], "value": "%H:%M:%S"},
        {"dtickrange": [30_000, None], "value": "%H:%M"},
    ],
}


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


class _Columns:
    """Some columns of a table, as a chart takes them."""

    def __init__(self, table: Any) -> None:
        self.arrow = table


def figures(measured: Sequence[Measured], changes: Sequence[Transition] = ()) -> list[dict[str, Any]]:
    """
    Return a chart a check as plotly's JSON, all over the same stretch of time: one that has stopped shows it.

    `changes` are drawn on the chart of their check.
    """
    drawn = [figure(one, [change for change in changes if change.check == one.check.name]) for one in measured]
    columns = [one.frame.arrow["ts"] for one in measured if one.frame.arrow.num_rows]
    if columns:
        first = min(moments(column.slice(0, 1))[0] for column in columns)
        last = max(moments(column.slice(len(column) - 1))[0] for column in columns)
        for one in drawn:
            if one["data"] and first < last:
                one["layout"]["xaxis"] = {**one["layout"]["xaxis"], "range": [utc(first), utc(last)]}
    return drawn


def figure(measured: Measured, changes: Sequence[Transition] = ()) -> dict[str, Any]:
    """
    Return the chart of a check as plotly's JSON.

    A metric without a value in this time is left out. A check that measured nothing, because it failed, shows only
    the time that it took, and says so.
    """
    table, name = measured.frame.arrow, measured.check.name
    there = [metric for metric in measured.metrics if table[metric].null_count < table.num_rows]
    took = chart(_Columns(table.select(["ts", TOOK])), f"{name}: no values", changes, unit="seconds")
    if not there:
        return _with_axis(took, "took ")
    values = chart(_Columns(table.select(["ts", *there])), name, changes, unit=measured.unit)
    drawn = _with_axis(values)
    if not took.data:
        return drawn
    layout = drawn["layout"]
    layout["yaxis"] = {**layout["yaxis"], "domain": [0.36, 1]}
    layout["yaxis2"] = {**took.layout["yaxis"], "domain": [0, 0.2], "anchor": "x", "nticks": 3}
    layout["yaxis2"]["title"] = {"text": f"took {took.layout['yaxis']['title']['text']}", "font": {"size": 10}}
    layout["xaxis"] = {**layout["xaxis"], "anchor": "y2"}
    line = {"color": theme.ink(), "width": 1, "dash": "dot"}
    drawn["data"] += [
        {**trace, "name": "took", "yaxis": "y2", "line": line, "showlegend": False} for trace in took.data
    ]
    return drawn


def _with_axis(drawn: Chart, before: str = "") -> dict[str, Any]:
    """A chart as plain JSON that may be changed; `before` is written before the unit of its axis."""
    layout = dict(drawn.layout)
    below = legend_rows([trace["name"] for trace in drawn.data]) * ROW_PX
    layout |= {"height": PLOT_PX + below, "margin": {**layout["margin"], "t": 34, "b": 30 + below}}
    layout["title"] = {**layout["title"], "font": {"size": 13}}
    layout["xaxis"] = {**layout["xaxis"], **_TICKS}
    layout["annotations"] = [note for note in layout["annotations"] if note.get("text") != "UTC"]
    if before and drawn.data:
        layout["yaxis"] = {**layout["yaxis"], "title": {"text": f"{before}{layout['yaxis']['title']['text']}"}}
    return {"data": [dict(trace) for trace in drawn.data], "layout": layout}


def legend_rows(names: Sequence[str]) -> int:
    """
    Return how many rows the legend of these lines takes; one line has none.

    >>> legend_rows(["load_1m"]), legend_rows(["load_1m", "load_5m"]), legend_rows(["received_bytes_per_second"] * 3)
    (0, 1, 3)
    """
    if len(names) < 2:
        return 0
    widest = KEY_PX + LETTER_PX * max(map(len, names))  # each takes as much as the widest
    return math.ceil(len(names) / max(1, LEGEND_PX // widest))
