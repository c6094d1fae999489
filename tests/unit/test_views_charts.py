"""Charts: plain documents for plotly that say their unit, their zone, and when there is nothing."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa
import pytest

from ckkit.errors import Invalid
from ckkit.model import Level, Status, Transition
from ckkit.views import theme
from ckkit.views.charts import MIME, Line, broken, chart
from ckkit.views.marks import Mark

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Held:
    arrow: pa.Table


def series(rows: list[tuple[datetime, str, str, float | None]], **facts: Any) -> Held:
    said = {
        "metric": "memory.available_bytes",
        "unit": "bytes",
        "nodes": "*",
        "since": (NOW - timedelta(hours=1)).isoformat(),
        "until": NOW.isoformat(),
        "step_seconds": 15,
    } | facts
    schema = pa.schema(
        [("bucket", pa.timestamp("us", "UTC")), ("node", pa.string()), ("instance", pa.string()), ("value", "float64")],
        metadata={"ckkit": json.dumps(said)},
    )
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return Held(pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema))


def minutes(*at: int) -> list[datetime]:
    return [NOW - timedelta(minutes=60 - m) for m in at]


def test_a_line_a_node_and_instance_scaled_to_one_unit() -> None:
    rows = [(t, n, i, v) for n, i, v in (("web0", "/", 2**30), ("web0", "/srv", 2**31), ("web1", "", 2**20))
            for t in minutes(1, 2)]  # fmt: skip
    found = chart(series(rows))
    assert [trace["name"] for trace in found.data] == ["web0 · /", "web0 · /srv", "web1"]
    assert found.layout["yaxis"]["title"]["text"] == "GiB"
    assert found.data[1]["y"] == [2, 2]
    assert found.data[0]["x"] == ["2026-11-24 11:01:00", "2026-11-24 11:02:00"]
    assert "GiB" in found.data[0]["hovertemplate"]
    assert found.layout["xaxis"]["range"] == ["2026-11-24 11:00:00", "2026-11-24 12:00:00"]
    assert "UTC" in [a["text"] for a in found.layout["annotations"]]
    assert found.layout["showlegend"]


def test_no_two_of_twenty_lines_look_alike() -> None:
    rows = [(t, f"n{i:02}", "", float(i)) for i in range(20) for t in minutes(1, 2)]
    looks = {(trace["line"]["color"], trace["line"]["dash"]) for trace in chart(series(rows)).data}
    assert len(looks) == 20


def test_the_colours_of_lines_are_none_of_a_level() -> None:
    assert not set(theme.SERIES) & set(theme.LEVEL_COLOUR.values())


def test_of_many_lines_the_greatest_are_drawn_and_the_title_says_so() -> None:
    rows = [(t, f"n{i:02}", "", float(i)) for i in range(33) for t in minutes(1, 2)]
    found = chart(series(rows))
    assert [trace["name"] for trace in found.data] == [f"n{i:02}" for i in range(13, 33)]
    assert "the 20 greatest of 33" in found.layout["title"]["text"]


def test_a_line_breaks_where_results_are_missing() -> None:
    times = minutes(0, 1, 2, 10, 11)
    drawn_at, drawn = broken(Line("a", times, [1, 2, 3, 4, 5]), 15)
    assert [math.isnan(v) for v in drawn] == [False, False, False, True, False, False]
    assert times[2] < drawn_at[3] < times[3]


def test_a_line_with_results_less_often_than_the_step_does_not_break() -> None:
    times = minutes(0, 5, 10, 15)
    assert broken(Line("a", times, [1, 2, 3, 4]), 15)[1] == [1, 2, 3, 4]


def test_a_single_result_is_a_dot_and_a_missing_value_a_gap() -> None:
    found = chart(series([(minutes(5)[0], "web0", "", 3.0), (minutes(6)[0], "web0", "", None)]))
    assert found.data[0]["mode"] == "lines+markers"
    assert found.data[0]["y"] == [3, None]


def test_an_empty_frame_says_since_when_instead_of_empty_axes() -> None:
    found = chart(series([]))
    assert found.data == []
    assert found.layout["annotations"][0]["text"] == "no results since 2026-11-24 11:00:00 UTC"
    assert found.layout["xaxis"]["visible"] is found.layout["yaxis"]["visible"] is False
    assert "no results" in repr(found)


def test_nothing_but_missing_values_is_empty_too() -> None:
    assert chart(series([(NOW, "web0", "", None)])).data == []


def test_zeros_are_drawn() -> None:
    found = chart(series([(t, "web0", "", 0.0) for t in minutes(1, 2)]))
    assert found.data[0]["y"] == [0, 0]
    assert found.layout["yaxis"]["title"]["text"] == "B"


def test_a_transition_is_a_vertical_line_in_the_colour_of_its_level() -> None:
    went = Transition(slot=NOW - timedelta(minutes=30), monitor="busy", node="web0", check="cpu", check_id=1,
                      before=Status.PENDING, after=Status.FIRING, level=Level.CRITICAL, reason="held")  # fmt: skip
    found = chart(series([(t, "web0", "", 1.0) for t in minutes(1, 2)]), annotations=[went])
    shape, text = found.layout["shapes"][0], found.layout["annotations"][0]
    assert shape["x0"] == shape["x1"] == "2026-11-24 11:30:00"
    assert shape["line"]["color"] == theme.LEVEL_COLOUR[Level.CRITICAL]
    assert text["text"].startswith(theme.LEVEL_MARK[Level.CRITICAL])
    assert text["hovertext"] == "2026-11-24 11:30:00 UTC: busy firing (held)"


def test_texts_of_marks_that_would_cover_each_other_are_said_on_hovering_only() -> None:
    marks = [Mark(NOW - timedelta(minutes=40), "deployed"), Mark(NOW - timedelta(minutes=39), "restarted")]
    texts = chart(series([(t, "a", "", 1.0) for t in minutes(1, 2)]), annotations=marks).layout["annotations"]
    assert "deployed" in texts[0]["text"]
    assert texts[1]["text"] == "▾"
    assert "restarted" in texts[1]["hovertext"]


def test_marks_outside_of_the_stretch_are_left_out() -> None:
    found = chart(series([(NOW, "a", "", 1.0)]), annotations=[(NOW - timedelta(days=1), "long ago")])
    assert found.layout["shapes"] == []


def test_annotations_may_be_a_frame() -> None:
    notes = Held(pa.table({"ts": pa.array(minutes(30), pa.timestamp("ms")), "text": ["deployed"]}))
    found = chart(series([(t, "a", "", 1.0) for t in minutes(1, 2)]), annotations=notes)
    assert found.layout["shapes"][0]["x0"] == "2026-11-24 11:30:00"


def test_names_and_texts_are_no_markup_for_plotly() -> None:
    found = chart(series([(t, "<b>a</b>", "", 1.0) for t in minutes(1, 2)]), title="<i>x", annotations=[(NOW, "<u>")])
    assert found.data[0]["name"] == "&lt;b&gt;a&lt;/b&gt;"
    assert found.layout["title"]["text"] == "&lt;i&gt;x"
    assert "<u>" not in json.dumps(found.spec)


def test_a_frame_of_sql_is_drawn_by_its_types() -> None:
    table = pa.table({
        "ts": pa.array([t.replace(tzinfo=None) for t in minutes(2, 1)], pa.timestamp("ms")),
        "node": ["web0", "web0"],
        "check_id": pa.array([1, 1], pa.uint32()),
        "busy_ratio": [0.5, 0.25],
    })  # fmt: skip
    found = chart(Held(table), title="busy")
    assert found.data[0]["x"] == ["2026-11-24 11:01:00", "2026-11-24 11:02:00"]  # in the order of time
    assert found.data[0]["y"] == [25, 50]
    assert found.layout["yaxis"]["title"]["text"] == "%"


def test_a_frame_without_times_or_numbers_says_what_a_chart_needs() -> None:
    with pytest.raises(Invalid, match="a column of times and one of numbers"):
        chart(Held(pa.table({"node": ["a"], "n": [1]})))


def test_it_is_a_figure_for_plotly_and_shows_itself() -> None:
    rows = [(t, "web0", "", 1.0) for t in minutes(1, 2)]
    for found in (chart(series(rows), annotations=[(NOW, "x")]), chart(series([]))):
        assert isinstance(found.figure(), go.Figure)  # plotly checks every name of data and layout
        bundle = found._repr_mimebundle_()
        assert json.loads(json.dumps(bundle[MIME])) == found.spec
        assert bundle["text/plain"] == repr(found)


def test_light_and_dark_change_the_ink_and_nothing_else() -> None:
    found = chart(series([(t, "web0", "", 1.0) for t in minutes(1, 2)]))
    dark = found.themed("dark")
    assert dark.layout["font"]["color"] != found.themed("light").layout["font"]["color"]
    assert dark.data == found.data
    assert dark.layout["xaxis"]["range"] == found.layout["xaxis"]["range"]
    assert dark.themed("auto") == found
