"""`Plot`: plotly figures that are state, with one plotly.js a page."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets as t

from ckkit.views.assets import CSS, plotly_js, script


class Plot(anywidget.AnyWidget):
    """
    Plotly figures, side by side where there is room: each a go.Figure, a Chart of ours, or plotly's JSON as a dict.

    They are state, not messages: a page that comes late sees what was drawn before. A zoom outlasts an update.
    plotly.js comes from a URL where the page's server has one, else, once a page, from the kernel.
    """

    _esm = script("plot")
    _css = CSS
    figures: t.List[Any] = t.List([]).tag(sync=True)
    urls: t.List[Any] = t.List(["/ckkit/plotly.min.js"]).tag(sync=True)
    narrowest = t.Unicode("400px").tag(sync=True)

    def __init__(self, *figures: Any) -> None:
        self._clicks: list[Callable[[list[dict[str, Any]]], None]] = []
        super().__init__()
        self.show(*figures)
        self.on_msg(self._heard)

    def show(self, *figures: Any) -> None:
        """Draw these figures instead."""
        self.figures = [plain(figure) for figure in figures]

    def on_click(self, function: Callable[[list[dict[str, Any]]], None]) -> None:
        """Call `function` with the points that are clicked: `{"figure", "curve", "x", "y"}` each."""
        self._clicks.append(function)

    def _heard(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        if message.get("kind") == "need plotly":
            self.send({"kind": "plotly"}, buffers=[plotly_js().read_bytes()])
        elif message.get("kind") == "click":
            for function in self._clicks:
                function(message["points"])


def plain(figure: Any) -> dict[str, Any]:
    """
    Return a figure as plotly's JSON: `data` and `layout`, of plain lists and numbers.

    >>> plain({"data": [{"y": [1, 2]}]})
    {'data': [{'y': [1, 2]}], 'layout': {}}
    """
    if isinstance(figure, Mapping):
        return {"data": list(figure.get("data", [])), "layout": dict(figure.get("layout", {}))}
    if hasattr(figure, "spec"):
        return plain(figure.spec)
    return plain(json.loads(figure.to_json()))
