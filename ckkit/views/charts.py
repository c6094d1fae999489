"""
`chart(frame)`: a frame over time as a plotly figure, as a plain document; plotly itself is not imported.

A line a node and instance (or whatever text columns the frame has), the unit on the axis, UTC below. A line
breaks where results are missing: what was not measured is not drawn. An empty frame says so.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

from ckkit.errors import Invalid
from ckkit.model import EPOCH
from ckkit.views import marks, theme, units
from ckkit.views.tables import utc

if TYPE_CHECKING:
    import pyarrow as pa

MOST_LINES = 20
MARKED_POINTS = 60  # fewer points than this are also dots: one alone has no line
BREAK = 2.5  # a gap of so many steps breaks the line
# Where an axis would have its title: below, at the right, out of the legend's way.
_UTC = {
    "text": "UTC",
    "x": 1,
    "y": 0,
    "xref": "paper",
    "yref": "paper",
    "xanchor": "right",
    "yanchor": "top",
    "yshift": -20,
    "showarrow": False,
    "font": {"size": 11},
}
MIME = "application/vnd.plotly.v1+json"


class Framed(Protocol):
    """What can be drawn: anything that holds an Arrow table, as a `Frame` does."""

    @property
    def arrow(self) -> "pa.Table": ...


@dataclass(frozen=True, slots=True)
class Line:
    """One line: times in UTC in their order, and values in the metric's own unit, NaN where there is none."""

    name: str
    times: Sequence[datetime]
    values: Sequence[float]

    @property
    def largest(self) -> float:
        return max((abs(v) for v in self.values if math.isfinite(v)), default=0.0)


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure as plotly's JSON: `data` and `layout`. Shows itself in notebooks; `.figure()` gives a go.Figure."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    said: str = field(default="", repr=False)

    @property
    def spec(self) -> dict[str, Any]:
        """The document for plotly.js: data, layout, config."""
        return {"data": self.data, "layout": self.layout, "config": {"displaylogo": False, "responsive": True}}

    def themed(self, scheme: theme.Scheme) -> "Chart":
        """Return the same chart for a light or a dark page; `auto`, the default, can be read on both."""
        drawn = theme.layout(scheme)
        layout = {**self.layout, "font": drawn["font"]}
        for axis in ("xaxis", "yaxis"):
            layout[axis] = {**self.layout[axis], **drawn[axis]}
        return Chart(self.data, layout, self.said)

    def figure(self) -> Any:
        """Return a plotly.graph_objects.Figure, to be changed and shown."""
        import plotly.graph_objects as go

        return go.Figure(data=self.data, layout=self.layout)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {MIME: self.spec, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<chart {self.said}>"


def chart(
    frame: Framed,
    title: str | None = None,
    annotations: Iterable[Any] = (),
    *,
    unit: str | None = None,
    height: int = 300,
    scheme: theme.Scheme = "auto",
) -> Chart:
    """
    Return the chart of a frame with one column of times; each number column, split by the text columns, is a line.

    `annotations` are transitions, pairs of (time, text), `marks.Mark`s, or a frame with `ts` and `text`. Of more than
    20 lines the 20 greatest are drawn, and the title says so.

    Raises:
        Invalid: the frame has no times, or no numbers.
    """
    table = frame.arrow
    facts = facts_of(table)
    lines = lines_of(table)
    drawn = sorted(sorted(lines, key=lambda line: -line.largest)[:MOST_LINES], key=lambda line: line.name)
    layout = {**theme.layout(scheme), "height": height}
    heading = _heading(title, facts, len(drawn), len(lines))
    layout["title"] = {"text": marks.plain(heading), "x": 0, "xref": "paper", "font": {"size": 14}}
    if not any(math.isfinite(v) for line in lines for v in line.values):
        return Chart([], {**layout, **_empty(facts, layout)}, f"{heading}: {_nothing(facts)}")
    scale = units.scale(_unit(table, facts, unit), max(line.largest for line in drawn))
    first, last = _ends(facts, drawn)
    layout["xaxis"] |= {"type": "date", "range": [utc(first), utc(last)], "hoverformat": "%Y-%m-%d %H:%M:%S UTC"}
    layout["yaxis"] |= {"title": {"text": scale.unit}, "rangemode": "tozero"}
    layout |= {"showlegend": len(drawn) > 1, **marks.draw(annotations, first, last)}
    layout["annotations"] = [*layout["annotations"], _UTC]
    step = facts.get("step_seconds")
    data = [_trace(line, i, scale, step) for i, line in enumerate(drawn)]
    points = sum(len(line.values) for line in drawn)
    return Chart(data, layout, f"{heading}: {len(drawn)} lines, {points} points")


def facts_of(table: "pa.Table") -> dict[str, Any]:
    """Return what a series said of itself: metric, unit, since, until, step_seconds; nothing for other tables."""
    found = (table.schema.metadata or {}).get(b"ckkit", b"{}")
    facts: dict[str, Any] = json.loads(found)
    return facts


def lines_of(table: "pa.Table") -> list[Line]:
    """Return the lines of a table, by name."""
    import pyarrow as pa

    kinds = {field.name: field.type for field in table.schema}
    at = next((name for name, kind in kinds.items() if pa.types.is_timestamp(kind)), None)
    numbers = [n for n, k in kinds.items() if pa.types.is_floating(k) or pa.types.is_integer(k)]
    numbers = [n for n in numbers if n != "check_id"] or numbers
    if at is None or not numbers:
        raise Invalid(
            f"cannot draw the columns {', '.join(kinds) or '(none)'} over time: a chart needs a column of times and "
            "one of numbers, as `kit.series` gives, or SQL over a view of `checks`"
        )
    texts = [n for n, k in kinds.items() if pa.types.is_string(k) or pa.types.is_large_string(k)]
    texts = [n for n in texts if n not in ("state", "status")]
    times = moments(table.column(at))
    keys = list(zip(*(table.column(n).to_pylist() for n in texts), strict=True)) or [()] * table.num_rows
    found: dict[str, tuple[list[datetime], list[float]]] = {}
    for name in numbers:
        ending = (name,) if len(numbers) > 1 else ()
        for when, key, value in zip(times, keys, table.column(name).to_pylist(), strict=True):
            label = " · ".join(str(part) for part in (*key, *ending) if part) or name
            line = found.setdefault(label, ([], []))
            line[0].append(when)
            line[1].append(math.nan if value is None else float(value))
    return [_ordered(name, *line) for name, line in sorted(found.items())]


def moments(column: "pa.ChunkedArray") -> list[datetime]:
    """
    Return the times of a column, aware, in UTC; those without a zone are UTC.

    By way of whole numbers: pyarrow imports pandas, 30 MB, to make a time with a zone.
    """
    import pyarrow as pa

    micros = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return [EPOCH + timedelta(microseconds=value) for value in micros.to_pylist()]


def _ordered(name: str, times: list[datetime], values: list[float]) -> Line:
    """A line in the order of time, whatever the statement's order was."""
    pairs = sorted(zip(times, values, strict=True), key=lambda pair: pair[0])
    return Line(name, [t for t, _ in pairs], [v for _, v in pairs])


def _trace(line: Line, index: int, scale: units.Scale, step: float | None) -> dict[str, Any]:
    times, values = broken(line, step)
    decimals = max(2, 2 - math.floor(math.log10(line.largest / scale.size))) if line.largest else 2
    palette = theme.SERIES
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(line.values) <= MARKED_POINTS else "lines",
        "name": marks.plain(line.name),
        "x": [utc(t) for t in times],
        "y": [None if math.isnan(v) else float(f"{v / scale.size:.7g}") for v in values],
        "line": {
            "color": palette[index % len(palette)],
            "width": 1.6,
            "dash": theme.DASHES[index // len(palette) % len(theme.DASHES)],
        },
        "marker": {"size": 4},
        "connectgaps": False,
        "hovertemplate": f"%{{y:,.{min(decimals, 9)}~f}} {scale.unit}".rstrip(),
    }


def broken(line: Line, step_s: float | None) -> tuple[list[datetime], list[float]]:
    """Return the points with a NaN between those that lie apart: further than 2.5 times the usual, or the step."""
    seconds = [(b - a).total_seconds() for a, b in zip(line.times, line.times[1:], strict=False)]
    usual = max(median(seconds), step_s or 0.0) if seconds else 0.0
    times, values = list(line.times[:1]), list(line.values[:1])
    for when, value, apart in zip(line.times[1:], line.values[1:], seconds, strict=True):
        if usual and apart > BREAK * usual:
            times.append(times[-1] + (when - times[-1]) / 2)
            values.append(math.nan)
        times.append(when)
        values.append(value)
    return times, values


def _unit(table: "pa.Table", facts: Mapping[str, Any], given: str | None) -> str:
    if given is not None:
        return given
    if "unit" in facts:
        return str(facts["unit"])
    names = [f.name for f in table.schema if f.name not in ("check_id",) and units.unit_of(f.name)]
    return units.unit_of(names[0]) if names else ""


def _heading(title: str | None, facts: Mapping[str, Any], drawn: int, found: int) -> str:
    named = facts.get("metric", "")
    nodes = facts.get("nodes", "*")
    heading = title if title is not None else (f"{named} · {nodes}" if named and nodes != "*" else named)
    return f"{heading} (the {drawn} greatest of {found:,})".strip() if found > drawn else heading


def _nothing(facts: Mapping[str, Any]) -> str:
    return f"no results since {utc(datetime.fromisoformat(facts['since']))} UTC" if "since" in facts else "no results"


def _empty(facts: Mapping[str, Any], layout: Mapping[str, Any]) -> dict[str, Any]:
    """No axes: a text where the lines would be."""
    text = {
        "text": _nothing(facts),
        "x": 0.5,
        "y": 0.5,
        "xref": "paper",
        "yref": "paper",
        "showarrow": False,
        "font": {"size": 14},
    }
    hidden = {"visible": False}
    return {
        "xaxis": {**layout["xaxis"], **hidden},
        "yaxis": {**layout["yaxis"], **hidden},
        "annotations": [text],
        "height": min(int(layout["height"]), 160),
    }


def _ends(facts: Mapping[str, Any], lines: Sequence[Line]) -> tuple[datetime, datetime]:
    """The stretch that was asked for, else that of the results; never of no length."""
    if "since" in facts and "until" in facts:
        return datetime.fromisoformat(facts["since"]), datetime.fromisoformat(facts["until"])
    first = min(line.times[0] for line in lines)
    last = max(line.times[-1] for line in lines)
    return (first, last) if first < last else (first - timedelta(minutes=1), last + timedelta(minutes=1))
