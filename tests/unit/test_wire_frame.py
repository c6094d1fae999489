"""Frame: rows, columns, times with their zone, and how it shows itself."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from ckkit.wire import Frame

AT = datetime(2026, 11, 24, 9, 5, 7, 250_000, tzinfo=UTC)


@pytest.fixture
def frame() -> Frame:
    fields = [
        pa.field("ts", pa.timestamp("ms")),
        pa.field("node", pa.string()),
        pa.field("value", pa.float64(), metadata={"unit": "bytes"}),
    ]
    rows = {"ts": [AT.replace(tzinfo=None), None], "node": ["web0", "<b>"], "value": [1234567.0, None]}
    return Frame(pa.table(rows, schema=pa.schema(fields, metadata={"about": "x"})))


def test_rows_are_dicts_with_aware_times(frame: Frame) -> None:
    assert list(frame) == [
        {"ts": AT, "node": "web0", "value": 1234567.0},
        {"ts": None, "node": "<b>", "value": None},
    ]
    assert (len(frame), frame.columns, frame["node"]) == (2, ["ts", "node", "value"], ["web0", "<b>"])


def test_a_column_that_is_not_there_is_named_with_those_that_are(frame: Frame) -> None:
    with pytest.raises(KeyError, match="no column 'nod': there are ts, node, value"):
        frame["nod"]


def test_times_get_their_zone_and_nothing_else_changes(frame: Frame) -> None:
    schema = frame.arrow.schema
    assert schema.field("ts").type == pa.timestamp("ms", "UTC")
    assert (schema.metadata, schema.field("value").metadata) == ({b"about": b"x"}, {b"unit": b"bytes"})
    already = pa.table({"at": pa.array([AT], pa.timestamp("us", "Europe/Berlin"))})
    assert Frame(already).arrow.equals(already)


@pytest.mark.parametrize(
    "take",
    [
        lambda frame: frame.pandas()["value"].tolist()[0],
        lambda frame: frame.polars()["value"].to_list()[0],
        lambda frame: pa.table(frame)["value"].to_pylist()[0],
    ],
)
def test_other_libraries_take_it(frame: Frame, take: Any) -> None:
    assert take(frame) == 1234567.0


def test_csv(frame: Frame) -> None:
    assert frame.to_csv().splitlines() == [
        "ts,node,value",
        "2026-11-24T09:05:07.250000+00:00,web0,1234567.0",
        ",<b>,",
    ]


def test_html_says_unit_and_zone_and_escapes(frame: Frame) -> None:
    html = frame._repr_html_()
    assert "ts <small>UTC</small>" in html
    assert "value <small>bytes</small>" in html
    assert '<td class="n">1.23457e+06</td>' in html
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert "2 rows" in html


def test_text_is_aligned(frame: Frame) -> None:
    assert repr(frame).splitlines() == [
        "ts (UTC)                 node  value (bytes)",
        "2026-11-24 09:05:07.250  web0    1.23457e+06",
        "                         <b>",
        "(2 rows)",
    ]


def test_no_rows_say_so() -> None:
    empty = Frame(pa.table({"node": pa.array([], pa.string())}))
    assert "no results" in empty._repr_html_()
    assert repr(empty) == "node\n(no results)"
    assert list(empty) == []


def test_many_rows_are_cut() -> None:
    long = Frame(pa.table({"n": list(range(1000))}))
    assert "1,000 rows, the first 50 shown" in repr(long)
    assert long._repr_html_().count("<tr>") == 51


def test_what_a_terminal_would_obey_is_shown_as_text():
    found = Frame(pa.table({"said": ["200 \x1b[31mred"]}))
    assert "\x1b" not in str(found)
    assert "200 ?[31mred" in str(found)


def test_a_time_that_python_has_no_word_for_is_shown():
    found = Frame(pa.table({"t": pa.array([2**62], pa.timestamp("us"))}))
    assert "(1 row)" in str(found)
