"""
`Frame`: the rows of a read, as thin as can be: an Arrow table that shows itself.

Times are aware: the store holds UTC without a zone, and says so here. polars, plotly and DuckDB take a frame as it is
(`__arrow_c_stream__`); `.pandas()` is for whoever wants one.
"""

from collections.abc import Iterator
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa

MOST_ROWS = 50
WIDEST = 60  # characters of a cell in plain text
STYLE = (
    "table.ckf{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}"
    ".ckf th{text-align:left;border-bottom:1px solid #8888;padding:2px 10px 2px 0;white-space:nowrap}"
    ".ckf td{text-align:left;padding:1px 10px 1px 0;vertical-align:top}"
    ".ckf .n{text-align:right}.ckf small,.ckf-note{opacity:.65;font-weight:400}"
)


class Frame:
    """Rows and named columns; cannot be changed."""

    def __init__(self, table: "pa.Table") -> None:
        self._table = _in_utc(table)

    @property
    def arrow(self) -> "pa.Table":
        return self._table

    @property
    def columns(self) -> list[str]:
        names: list[str] = self._table.column_names
        return names

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each row by column name."""
        for batch in self._table.to_batches():
            yield from batch.to_pylist()

    def __getitem__(self, column: str) -> list[Any]:
        """Return a column's values. Raises KeyError, naming those there are."""
        if column not in self.columns:
            raise KeyError(f"no column {column!r}: there are {', '.join(self.columns)}")
        values: list[Any] = self._table[column].to_pylist()
        return values

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)

    def pandas(self) -> "pandas.DataFrame":
        return self._table.to_pandas()

    def polars(self) -> "polars.DataFrame":
        import polars

        return polars.DataFrame(self._table)

    def to_csv(self) -> str:
        """Return the rows as CSV with a head; times in ISO 8601."""
        import csv
        import io

        sink = io.StringIO()
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(self.columns)
        for row in self:
            writer.writerow(value.isoformat() if isinstance(value, datetime) else value for value in row.values())
        return sink.getvalue()

    def _ipython_key_completions_(self) -> list[str]:
        return self.columns

    def _heads(self) -> list[tuple[str, str]]:
        """Each column's name, and its unit or zone."""
        return [(field.name, _unit(field)) for field in self._table.schema]

    def _right(self) -> list[bool]:
        import pyarrow.types as types

        kinds = self._table.schema.types
        return [types.is_integer(k) or types.is_floating(k) or types.is_decimal(k) for k in kinds]

    def _shown(self) -> list[list[str]]:
        columns = [[show(v) for v in _values(column)] for column in self._table.slice(0, MOST_ROWS).columns]
        return [list(row) for row in zip(*columns, strict=True)]

    def _note(self) -> str:
        rows = len(self)
        if rows == 0:
            return "no results"
        return f"{rows:,} row{'s' if rows > 1 else ''}" + (f", the first {MOST_ROWS} shown" if rows > MOST_ROWS else "")

    def _repr_html_(self) -> str:
        heads, right = self._heads(), [' class="n"' if is_right else "" for is_right in self._right()]
        cells = "".join(
            f"<th{kind}>{escape(name)}{f' <small>{escape(unit)}</small>' if unit else ''}</th>"
            for (name, unit), kind in zip(heads, right, strict=True)
        )
        body = "".join(
            f"<tr>{''.join(f'<td{kind}>{escape(cell)}</td>' for cell, kind in zip(row, right, strict=True))}</tr>"
            for row in self._shown()
        )
        table = f'<table class="ckf"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>' if heads else ""
        return f'<style>{STYLE}</style>{table}<div class="ckf-note">{self._note()}</div>'

    def __repr__(self) -> str:
        heads = [f"{name} ({unit})" if unit else name for name, unit in self._heads()]
        lines = [[_cut(cell) for cell in row] for row in self._shown()]
        widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
        right = self._right()
        text = ["  ".join(_pad(c, w, r) for c, w, r in zip(row, widths, right, strict=True)) for row in (heads, *lines)]
        return "\n".join([*(line.rstrip() for line in text), f"({self._note()})"])


def show(value: Any) -> str:
    """
    Return one value as people read it; a time without its zone, which the column's head tells.

    >>> show(0.1 + 0.2), show(1234567), show(None), show(True), show(["a", 1])
    ('0.3', '1234567', '', 'true', 'a, 1')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds" if value.microsecond else "seconds").removesuffix("+00:00")
    if isinstance(value, list):
        return ", ".join(map(show, value))
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _values(column: "pa.ChunkedArray") -> list[Any]:
    """The values of a column; times that Python has no word for, such as infinity, as Arrow writes them."""
    try:
        found: list[Any] = column.to_pylist()
    except (OverflowError, ValueError):
        import pyarrow as pa

        found = column.cast(pa.string()).to_pylist()
    return found


def _unit(field: "pa.Field") -> str:
    zone = getattr(field.type, "tz", None)
    if zone:
        return str(zone)
    unit: bytes = (field.metadata or {}).get(b"unit", b"")
    return unit.decode()


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _in_utc(table: "pa.Table") -> "pa.Table":
    """Give times without a zone theirs; no value is touched."""
    import pyarrow as pa

    fields = [
        field.with_type(pa.timestamp(field.type.unit, "UTC"))
        if pa.types.is_timestamp(field.type) and field.type.tz is None
        else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields, metadata=table.schema.metadata))
