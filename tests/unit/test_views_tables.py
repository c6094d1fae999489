"""Tables: aligned text for a terminal, escaped HTML with words and marks beside the colours."""

import re
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.model import Level, Node, Status
from ckkit.views import cards, loose, records, tables
from ckkit.views.tables import Cell, Column, Table
from ckkit.views.theme import LEVEL_COLOUR, LEVEL_MARK, LEVEL_WORD

NASTY = "<script>alert(1)</script>\"'&"


class Balance(HTMLParser):
    """Fails where a tag is closed that is not the one open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_cell_holds_is_text_and_never_markup(name: str, tag: str) -> None:
    node = Node(name=name, tags=(tag,), details={name: tag})
    for html in (cards.node_cards([node], {}, {}), records.nodes([node], {}, title=name)._repr_html_()):
        assert set(Balance(html).seen) <= {
            "div", "style", "h4", "span", "p", "table", "caption", "thead", "tbody", "tr", "th", "td",
        }  # fmt: skip


def test_a_card_escapes_names_tags_and_details() -> None:
    node = Node(name=NASTY, tags=(NASTY,), provider=NASTY, details={NASTY: NASTY})
    html = cards.node(node, [], [], {})
    assert "<script>" not in html
    assert NASTY in Balance(html).texts


def test_rows_line_up_and_numbers_stand_at_the_right() -> None:
    columns = (Column("name", lambda row: Cell(row[0])), Column("size", lambda row: tables.count(row[1])))
    table = Table("", columns, (("a", 7), ("bcd", 1234)))
    assert repr(table).splitlines() == ["name   size", "────  ─────", "a         7", "bcd   1,234"]


def test_an_empty_table_says_what_is_missing() -> None:
    table = records.nodes([], {})
    assert repr(table) == "no node matches"
    assert "no node matches" in table._repr_html_()
    assert "<table" not in table._repr_html_()


def test_a_long_table_says_how_many_rows_are_not_drawn() -> None:
    table = records.nodes([Node(name=f"n{i}") for i in range(1234)], {})
    assert "1,034 more rows" in table._repr_html_()
    assert table._repr_html_().count("<tr>") == 201
    assert "and 1,034 more" in repr(table)
    assert len(str(table).splitlines()) == 1236


def test_a_column_that_is_empty_everywhere_is_left_out() -> None:
    assert "tags" not in records.nodes([Node(name="a")], {}).cells()[0]
    assert "tags" in records.nodes([Node(name="a"), Node(name="b", tags=("x",))], {}).cells()[0]


@pytest.mark.parametrize("level", list(Level))
def test_a_level_is_told_by_a_word_and_a_mark_beside_its_colour(level: Level) -> None:
    html = tables.badge(level)
    assert LEVEL_COLOUR[level] in html
    assert f"{LEVEL_MARK[level]} {LEVEL_WORD[level]}" in html
    assert len(set(LEVEL_MARK.values())) == len(set(LEVEL_WORD.values())) == len(Level)


@pytest.mark.parametrize("level", list(Level))
def test_white_text_on_a_badge_can_be_read(level: Level) -> None:
    assert contrast("#ffffff", LEVEL_COLOUR[level]) >= 4.5


def test_an_alert_that_is_ok_is_drawn_as_ok_whatever_its_level_was() -> None:
    assert tables.status_cell(Status.OK, Level.CRITICAL).level is Level.OK
    assert tables.status_cell(Status.PENDING, Level.WARN).text == "pending: warn"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "now"), (-5, "now"), (59, "59s ago"), (61, "1m ago"), (7200, "2h ago"), (86400, "1d ago")]
)
def test_how_long_ago(seconds: int, text: str) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert tables.ago(now - timedelta(seconds=seconds), now) == text


def test_times_are_written_in_utc() -> None:
    assert tables.utc(datetime(2026, 11, 24, 10, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-24 09:00:00"
    assert tables.utc(datetime(2026, 11, 24, 9)) == "2026-11-24 09:00:00"  # noqa: DTZ001  the store's columns have no zone


def test_the_unit_of_an_alert_is_that_of_the_metric_its_rule_names() -> None:
    units = {"disk.free": "bytes"}
    assert records.measured(2048, "free < 4096", "disk:/", units).text == "2 KiB"
    assert records.measured(0.5, "used_ratio > 0.4", "disk:/", {}).text == "50 %"
    assert records.measured(None, "free < 1", "disk", units).text == ""


def test_rows_without_a_record_have_a_column_a_key_in_the_order_of_the_first() -> None:
    table = loose.rows([{"name": "a", "last_run": None}, {"name": "b", "last_run": {"state": "ok"}, "ok": True}])
    heads, rows = table.cells()
    assert heads == ("name", "last run", "ok")
    assert [cell.text for cell in rows[1]] == ["b", "state=ok", "yes"]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 defines it."""

    def light(colour: str) -> float:
        parts = [int(c, 16) / 255 for c in re.findall("[0-9a-f]{2}", colour)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    a, b = sorted((light(one), light(other)), reverse=True)
    return (a + 0.05) / (b + 0.05)
