"""
A table as a value: cells in, HTML for a notebook and aligned text for a terminal out.

Everything that is written is escaped here, once; a cell holds text, never markup.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any, Literal

from ckkit.durations import show_duration
from ckkit.model import Level, State, Status
from ckkit.views import units
from ckkit.views.theme import LEVEL_COLOUR, LEVEL_MARK, LEVEL_WORD, page

Kind = Literal["text", "long", "number", "time"]
MOST_ROWS = 200
WIDEST = 60  # characters of a cell in plain text
LONG = 40  # characters from which on a text needs room, or it becomes a pillar


@dataclass(frozen=True, slots=True)
class Cell:
    """One value as text. `level` makes it a badge, `tags` a row of labels; `note` is said on hovering."""

    text: str
    kind: Kind = "text"
    level: Level | None = None
    note: str = ""
    tags: tuple[str, ...] = ()

    def html(self) -> str:
        if self.tags:
            return "".join(f'<span class="tag">{escape(tag)}</span>' for tag in self.tags)
        if self.level is not None:
            return badge(self.level, self.text)
        return escape(self.text)

    def plain(self) -> str:
        if self.level is not None:
            return f"{LEVEL_MARK[self.level]} {self.text}"
        text = printable(" ".join((", ".join(self.tags) or self.text).split()))
        return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


@dataclass(frozen=True, slots=True)
class Column:
    """A head and how a record gives its cell."""

    head: str
    cell: Callable[..., Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """
    A title, and records with the columns that show them. `empty` is said instead of an empty table.

    `str` writes every row; what shows itself, in a notebook or at a prompt, is the first 200: nobody reads more.
    """

    title: str
    columns: tuple[Column, ...]
    items: tuple[Any, ...]
    empty: str = "nothing"

    def cells(self, most: int | None = MOST_ROWS) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
        """Return the heads and the rows; a column that is empty in each of these rows is left out, but the first."""
        rows = [tuple(column.cell(item) for column in self.columns) for item in self.items[:most]]
        kept = [i for i in range(len(self.columns)) if i == 0 or any(row[i].text or row[i].tags for row in rows)]
        return tuple(self.columns[i].head for i in kept), [tuple(row[i] for i in kept) for row in rows]

    def html(self) -> str:
        """Return the bare table; `_repr_html_` adds the style."""
        if not self.items:
            title = f"<strong>{escape(self.title)}</strong><br>" if self.title else ""
            return f'<p>{title}<span class="dim">{escape(self.empty)}</span></p>'
        head, rows = self.cells()
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        heads = "".join(
            f'<th scope="col"{_class(cell.kind)}>{escape(name)}</th>' for name, cell in zip(head, rows[0], strict=True)
        )
        body = "".join(f"<tr>{''.join(map(_td, row))}</tr>" for row in rows)
        left = len(self.items) - len(rows)
        more = f'<p class="dim">and {left:,} more rows, not drawn</p>' if left else ""
        return f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{more}"

    def _repr_html_(self) -> str:
        return page(self.html())

    def __repr__(self) -> str:
        return self._text(MOST_ROWS)

    def __str__(self) -> str:
        return self._text(None)

    def _text(self, most: int | None) -> str:
        if not self.items:
            return f"{self.title}: {self.empty}" if self.title else self.empty
        head, rows = self.cells(most)
        texts = [head, *(tuple(cell.plain() for cell in row) for row in rows)]
        widths = [max(len(row[i]) for row in texts) for i in range(len(head))]
        right = [cell.kind == "number" for cell in rows[0]]
        lines = [_line(row, widths, right) for row in texts]
        lines.insert(1, "  ".join("─" * width for width in widths))
        if left := len(self.items) - len(rows):
            lines.append(f"and {left:,} more")
        return "\n".join([self.title, *lines] if self.title else lines)


def tabulate(title: str, columns: Sequence[Column], items: Iterable[Any], empty: str) -> Table:
    """Return the table of records."""
    return Table(title, tuple(columns), tuple(items), empty)


def badge(level: Level, text: str = "") -> str:
    """Return a level as HTML: a mark, a word and a colour."""
    word = escape(text or LEVEL_WORD[level])
    return f'<span class="b" style="background:{LEVEL_COLOUR[level]}">{LEVEL_MARK[level]} {word}</span>'


def text(value: object, note: str = "") -> Cell:
    said = "" if value is None else str(value)
    return Cell(said, "long" if len(said) > LONG else "text", note=note)


def code(words: str | None) -> Cell:
    """Return what stays on one line however long it is: a condition, a key."""
    return Cell(words or "")


def number(value: float | None, unit: str = "") -> Cell:
    """Return a value with its unit; the exact value on hovering."""
    return Cell(units.show(value, unit), "number", note="" if value is None else f"{value!r} {unit}".strip())


def count(value: int) -> Cell:
    return Cell(f"{value:,}", "number")


def at(when: datetime | None) -> Cell:
    return Cell("" if when is None else utc(when), "time")


def span(value: timedelta | None) -> Cell:
    return Cell(show_duration(value) if value else "", "number")


def tagged(tags: Sequence[str]) -> Cell:
    joined = " ".join(tags)
    return Cell(joined, "long" if len(joined) > LONG else "text", tags=tuple(tags))


def levelled(level: Level, word: str = "") -> Cell:
    return Cell(word or LEVEL_WORD[level], level=level)


def status_cell(status: Status, level: Level) -> Cell:
    """Where an alert is in its life, and its level, in that level's colour; one that is ok is ok whatever it was."""
    if status is Status.OK:
        return levelled(Level.OK)
    return levelled(level, f"{status}: {LEVEL_WORD[level]}")


def state_level(state: State) -> Level:
    """Return the level whose colour a result's state is drawn in."""
    return {State.OK: Level.OK, State.WARN: Level.WARN, State.ERR: Level.CRITICAL}[state]


def utc(when: datetime) -> str:
    """
    Return a time as text in UTC, to the second; heads of columns name the zone.

    >>> utc(datetime(2026, 11, 24, 9, 5, 7, tzinfo=UTC))
    '2026-11-24 09:05:07'
    """
    aware = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return f"{aware:%Y-%m-%d %H:%M:%S}"


def ago(when: datetime, now: datetime) -> str:
    """
    Return how long before `now` that was, in one unit.

    >>> ago(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 5, 9, tzinfo=UTC))
    '5m ago'
    """
    seconds = int((now - when).total_seconds())
    if seconds < 1:
        return "now"
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if seconds >= size:
            return f"{seconds // size}{letter} ago"
    return "now"


def printable(text: str) -> str:
    """
    Return a text without what a terminal would obey: what a watched server says must not write on ours.

    >>> printable("200 \x1b[31mred")
    '200 ?[31mred'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def _class(kind: Kind) -> str:
    return {"number": ' class="n"', "time": ' class="t"', "long": ' class="w"', "text": ""}[kind]


def _td(cell: Cell) -> str:
    note = f' title="{escape(cell.note)}"' if cell.note else ""
    return f"<td{_class(cell.kind)}{note}>{cell.html()}</td>"


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = [
        value.rjust(width) if is_right else value.ljust(width)
        for value, width, is_right in zip(row, widths, right, strict=True)
    ]
    return "  ".join(cells).rstrip()
