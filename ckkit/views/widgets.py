"""
The widgets that pages are made of: state in Python, painting in `js/`. They work in Voila and in JupyterLab.

    Page    the page itself: hears whether somebody looks, holds the state that stands in the URL
    Grid    a table: sorts, filters, draws sparklines, ten thousand rows
    Plot    a plotly figure
    Tally   what there is to filter by, with counts

Nothing here asks the hub; a notebook gives them what they show. Importing this needs anywidget, and nothing heavier.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import anywidget
import traitlets as t

from ckkit.errors import CkkitError

JS = Path(__file__).parent / "js"
CSS = JS / "widgets.css"
GRACE_S = 17.0  # without a beat, of which the browser sends one in five seconds
LOOK_S = 2.0
SECRET = frozenset({"token"})  # what may stand in a URL and is never kept

Opened = Callable[[dict[str, str]], Callable[[], None] | None]


class Page(anywidget.AnyWidget):
    """
    A page that somebody looks at, or does not.

    `opened(state)` is called when a browser says hello, with what stands in its URL; it shows the page as it is now,
    begins to watch, and returns the function that ends the watching. That one is called once nobody looks any more;
    when somebody does again, `opened` is. So a kernel that was started ahead shows nothing old, and one whose browser
    is gone becomes idle. A CkkitError that `opened` raises is shown, and it is tried again with the next beat.

    `state` holds texts by name; setting it changes the URL, without a reload.
    """

    _esm = JS / "page.js"
    _css = CSS
    state = t.Dict({}).tag(sync=True)
    problem = t.Unicode("").tag(sync=True)

    def __init__(
        self, opened: Opened, *, grace_s: float = GRACE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._opened, self._grace_s, self._clock = opened, grace_s, clock
        self._close: Callable[[], None] | None = None
        self._live = False
        self._seen = clock()
        self._task: asyncio.Task[None] | None = None
        self.on_msg(self._heard)

    @property
    def live(self) -> bool:
        """Whether somebody looks."""
        return self._live

    def say(self, **state: str) -> None:
        """Change some of the state, and with it the URL."""
        self.state = {**self.state, **state}

    def _heard(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        self._seen = self._clock()
        if message.get("kind") == "hello":
            self._end()
            self.state = state_of(str(message.get("search", "")))
        if not self._live:
            self._begin()

    def _begin(self) -> None:
        try:
            self._close = self._opened(dict(self.state))
        except CkkitError as error:
            self.problem = error.message
            return
        self.problem = ""
        self._live = True
        with contextlib.suppress(RuntimeError):  # no loop: a plain script, that looks for itself
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while self._live and self._clock() - self._seen < self._grace_s:
            await asyncio.sleep(LOOK_S)
        self._end()

    def _end(self) -> None:
        if not self._live:
            return
        self._live = False
        close, self._close = self._close, None
        if close is not None:
            close()


def state_of(search: str) -> dict[str, str]:
    """
    Return what stands in a URL after the `?`, without what is secret.

    >>> state_of("?node=web%200&token=s3cret&q=tag:a")
    {'node': 'web 0', 'q': 'tag:a'}
    """
    return {key: value for key, value in parse_qsl(search.lstrip("?")) if key not in SECRET}


class Grid(anywidget.AnyWidget):
    """
    A table. `columns` say what to show, `cols` hold the values by key, all of one length.

    The kinds of columns: text (with `link`, a URL that the value is put behind), level, tags, count, number and spark
    (with `unit`; spark with the index of its line in `sparks`: float32, little-endian, spark x row x point).
    `shown` holds the rows to show, by index; None shows all. A click tells `{"row", "key", "at"}` in `clicked`.
    """

    _esm = JS / "grid.js"
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


class Plot(anywidget.AnyWidget):
    """
    Plotly figures, side by side where there is room: each a go.Figure, a Chart of ours, or plotly's JSON as a dict.

    They are state, not messages: a page that comes late sees what was drawn before. `on_click` tells what is clicked.
    """

    _esm = JS / "plot.js"
    _css = CSS
    figures: t.List[Any] = t.List([]).tag(sync=True)
    urls: t.List[Any] = t.List(["/ckkit/plotly.min.js"]).tag(sync=True)
    narrowest = t.Unicode("430px").tag(sync=True)

    def __init__(self, *figures: Any) -> None:
        self._clicks: list[Callable[[list[dict[str, Any]]], None]] = []
        super().__init__()
        self.show(*figures)
        self.on_msg(self._heard)

    def show(self, *figures: Any) -> None:
        """Draw these figures instead."""
        self.figures = [plain(figure) for figure in figures]

    def on_click(self, function: Callable[[list[dict[str, Any]]], None]) -> None:
        self._clicks.append(function)

    def _heard(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        if message.get("kind") == "need plotly":
            self.send({"kind": "plotly"}, buffers=[plotly_js().read_bytes()])
        elif message.get("kind") == "click":
            for function in self._clicks:
                function(message["points"])


def plotly_js() -> Path:
    """Return where plotly.js lies; found without importing plotly, which is heavy."""
    from importlib.util import find_spec

    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise CkkitError("plotly is not installed: `pip install ckkit[lab]`")
    return Path(next(iter(spec.submodule_search_locations))) / "package_data" / "plotly.min.js"


def plain(figure: Any) -> dict[str, Any]:
    """Return a figure as plotly's JSON: `data` and `layout`, of plain lists and numbers."""
    if isinstance(figure, Mapping):
        return {"data": list(figure.get("data", [])), "layout": dict(figure.get("layout", {}))}
    if hasattr(figure, "spec"):
        return plain(figure.spec)
    import json

    return plain(json.loads(figure.to_json()))


class Tally(anywidget.AnyWidget):
    """
    What there is to filter by. `groups`: {"title", "items": [{"label", "count", "query"}]}; `chosen` is a query or "".
    """

    _esm = JS / "tally.js"
    _css = CSS
    groups: t.List[Any] = t.List([]).tag(sync=True)
    chosen = t.Unicode("").tag(sync=True)
