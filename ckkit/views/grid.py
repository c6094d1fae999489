"""`Grid`: a table of many rows that is updated while people look at it. `Tally`: what there is to filter it by."""

from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import traitlets as t

from ckkit.views.assets import CSS, script


class Grid(anywidget.AnyWidget):
    """
    A table. `columns` say what to show, `cols` hold the values by key, all of one length.

    A column has `key`, `label`, `kind`, and may have `width` (of a CSS grid), `drop` (where there is no room, the one
    with the greatest goes first). Kinds: text (with `link`, a URL that the value is put behind; relative to `base`
    outside of Voila), level, tags, id, count, number and spark (both with `unit`; spark with the index of its line in
    `sparks`: float32, little-endian, spark x row x point, NaN where nothing is).

    `shown` holds the rows to show, by index; None shows all. `key` names the column by which a row is known: what is
    chosen stays chosen wherever it moves. `height` is in pixels; 0 takes the window's. A click, or Enter on the chosen
    row, tells `{"row", "key", "at"}` in `clicked`.
    """

    _esm = script("format", "spark", "grid")
    _css = CSS
    columns: t.List[Any] = t.List([]).tag(sync=True)
    cols = t.Dict({}).tag(sync=True)
    sparks = t.Bytes(b"").tag(sync=True)
    points = t.Int(0).tag(sync=True)
    shown: Any = t.List(default_value=None, allow_none=True).tag(sync=True)
    sort = t.Dict({}).tag(sync=True)
    key = t.Unicode("name").tag(sync=True)
    base = t.Unicode("").tag(sync=True)
    height = t.Int(560).tag(sync=True)
    searchable = t.Bool(False).tag(sync=True)
    placeholder = t.Unicode("").tag(sync=True)
    empty = t.Unicode("nothing here").tag(sync=True)
    none = t.Unicode("nothing matches").tag(sync=True)
    clicked = t.Dict({}).tag(sync=True)

    def fill(self, cols: Mapping[str, Sequence[Any]], sparks: bytes = b"", points: int = 0) -> None:
        """Show these values; scroll, sort and choice stay."""
        with self.hold_sync():
            self.points, self.sparks, self.cols = points, sparks, dict(cols)


class Tally(anywidget.AnyWidget):
    """
    What there is to filter by. `chosen` is a query, or "" for none.

    `groups` are {"title", "items": [{"label", "count", "query"}]}; an item may have a `level` and its `mark`.
    """

    _esm = script("format", "tally")
    _css = CSS
    groups: t.List[Any] = t.List([]).tag(sync=True)
    chosen = t.Unicode("").tag(sync=True)
