"""
The overview page: what there is at the left, the nodes as a grid with a sparkline a metric, and how ckkit itself fares.

It shows documents of `kit.overview()`: columns, and sparklines as base64 of float32. Those bytes go to the browser as
they are, so its kernel needs neither pyarrow nor numpy.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import ipywidgets as w

from ckkit.errors import QueryError
from ckkit.model import Level, Node
from ckkit.nodequery import Facts, parse
from ckkit.views import theme
from ckkit.views.widgets import Grid, Tally

METRIC_ORDER = ("ping", "cpu", "memory", "disk", "network", "load")


class OverviewPage:
    """`box` is what is displayed; `show` a document; `query` the text in the search box."""

    def __init__(self, node_link: str = "node.ipynb?node=") -> None:
        self._document: dict[str, Any] = {}
        self._nodes: list[Node] = []
        self._link = node_link
        self.head = w.HTML(layout=w.Layout(margin="0 0 6px 0"))
        self.tally = Tally(layout=w.Layout(width="220px", flex="0 0 auto", margin="0 22px 0 0"))
        self.search = w.Text(
            placeholder="search: web*, tag:db -tag:staging, has:critical",
            continuous_update=True,
            layout=w.Layout(width="440px", margin="0"),
        )
        self.said = w.HTML()
        self.grid = Grid(key="name", sort={"key": "level", "down": True}, empty="connecting …", height=720)
        right = w.VBox(
            [w.HBox([self.search, self.said], layout=w.Layout(margin="0 0 8px 0")), self.grid],
            layout=w.Layout(flex="1 1 auto", min_width="0"),
        )
        body = w.HBox([self.tally, right], layout=w.Layout(width="100%", align_items="flex-start"))
        self.box = w.VBox([self.head, body], layout=w.Layout(width="100%"))
        self.search.observe(lambda _: self._filter(), "value")
        self.tally.observe(self._chose, "chosen")

    @property
    def query(self) -> str:
        return str(self.search.value)

    @query.setter
    def query(self, text: str) -> None:
        self.search.value = text

    def show(self, document: Mapping[str, Any]) -> None:
        """Show a document of the overview."""
        self._document = dict(document)
        nodes = document["nodes"]
        self._nodes = [
            Node(name=n, provider=p, state=s, tags=tuple(tags), private_addresses=(a,) if a else ())
            for n, p, s, tags, a in zip(
                nodes["name"], nodes["provider"], nodes["state"], nodes["tags"], nodes["address"], strict=True
            )
        ]
        metrics = sorted(document["metrics"], key=lambda m: _place(m["key"]))
        self.head.value = header(document)
        self.tally.groups = groups(document)
        columns = [
            {"key": "level", "label": "level", "kind": "level", "width": "92px"},
            {"key": "name", "label": "node", "kind": "text", "link": self._link, "width": "minmax(110px, 1fr)"},
            {"key": "tags", "label": "tags", "kind": "tags", "width": "minmax(100px, 1.2fr)"},
            {"key": "checks", "label": "checks", "kind": "count", "width": "52px"},
            *(
                {"key": m["key"], "label": m["label"], "kind": "spark", "unit": m["unit"], "spark": i}
                for i, m in enumerate(metrics)
                if any(value is not None for value in m["last"])
            ),
        ]
        with self.grid.hold_sync():
            self.grid.empty = "no nodes yet: write [[nodes]] into ckkit.toml, or set [this_machine] enabled = true"
            if self.grid.columns != columns:
                self.grid.columns = columns
            cols = {key: nodes[key] for key in ("level", "name", "tags", "checks")}
            cols |= {m["key"]: m["last"] for m in metrics}
            sparks = b"".join(base64.b64decode(m["spark"]) for m in metrics)
            self.grid.fill(cols, sparks, document["points"])
        self._filter()

    def _chose(self, change: Mapping[str, Any]) -> None:
        """A choice fills the search; one taken back empties it, unless something else stands there by now."""
        if change["new"] or self.query == change["old"]:
            self.search.value = change["new"]

    def _filter(self) -> None:
        """Show the nodes of the query; one that cannot be read is said beside the box, and what is shown stays."""
        try:
            query = parse(self.query)
        except QueryError as error:
            self.said.value = f'<div class="ckv" style="padding:6px 12px">{escape(error.message)}</div>'
            return
        levels = self._document.get("nodes", {}).get("level", ())
        found = [
            i
            for i, node in enumerate(self._nodes)
            if query.matches(node, Facts(level=Level(levels[i]) if i < len(levels) else Level.OK))
        ]
        everything = len(found) == len(self._nodes)
        self.grid.shown = None if everything else found
        self.grid.none = f"no node matches {self.query}"
        counted = "" if everything else f"{len(found)} of {len(self._nodes)} nodes"
        self.said.value = f'<div class="ckv dim" style="padding:6px 12px">{escape(counted)}</div>'
        if self.tally.chosen not in ("", self.query):
            self.tally.chosen = ""


def _place(key: str) -> tuple[int, str]:
    return (METRIC_ORDER.index(key) if key in METRIC_ORDER else len(METRIC_ORDER), key)


def groups(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the left column shows: all nodes, tags, providers, with their counts."""
    nodes = document["nodes"]
    found = [{"title": "", "items": [{"label": "all nodes", "count": len(nodes["name"]), "query": "*"}]}]
    for title, field, key in (("tags", "tag", "tags"), ("providers", "provider", "providers")):
        items = [{"label": name, "count": count, "query": f"{field}:{_word(name)}"} for name, count in document[key]]
        if items:
            found.append({"title": title, "items": items})
    return found


def _word(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").replace(".", "").isalnum() else f'"{name}"'


def header(document: Mapping[str, Any]) -> str:
    """Return the line above the grid: alerts, time of the data, and what ckkit says of itself."""
    alerts, as_of = document["alerts"], datetime.fromisoformat(document["as_of"]).astimezone(UTC)
    firing, pending = alerts["firing"], alerts["pending"]
    level = Level.CRITICAL if firing else Level.OK
    state = f"{firing} firing" if firing else "nothing is firing"
    colour, mark = theme.LEVEL_COLOUR[level], theme.LEVEL_MARK[level]
    badge = f'<span class="b" style="background:{colour}">{mark} {escape(state)}</span>'
    later = f"{pending} pending" if pending else ""
    by = document.get("evaluated_by") or {}
    judged = ""
    if by.get("slot"):
        slot = datetime.fromisoformat(by["slot"]).astimezone(UTC)
        judged = f" · monitors judged {slot:%H:%M:%S} UTC by the {escape(str(by['by']))}"
    every = float(document["every_seconds"])
    line = f"as of {as_of:%Y-%m-%d %H:%M:%S} UTC, checked every {every:g} s{judged}"
    return theme.page(
        f'<p class="head">{badge}<span style="font-weight:400;font-size:13px">{later}</span>'
        f'<span class="dim" style="font-weight:400;font-size:13px">{line}</span></p>{notices(document["notices"])}'
    )


def notices(found: Sequence[Mapping[str, Any]]) -> str:
    """Return what ckkit says of itself, each a line with its level."""
    lines = []
    for notice in found:
        level = Level(notice["level"]) if notice["level"] in set(Level) else Level.WARN
        since = datetime.fromisoformat(notice["since"]).astimezone(UTC)
        lines.append(
            f'<p style="margin:2px 0"><span class="b" style="background:{theme.LEVEL_COLOUR[level]}">'
            f"{theme.LEVEL_MARK[level]} {escape(notice['key'])}</span> {escape(notice['text'])} "
            f'<span class="dim">since {since:%H:%M:%S} UTC</span></p>'
        )
    return "".join(lines)
