"""
The overview page: what there is at the left, the nodes as a grid with a sparkline a metric, and how ckkit itself fares.

It shows documents of `kit.overview()`: columns, and sparklines as base64 of float32. Those bytes go to the browser as
they are, so its kernel needs neither pyarrow nor numpy.
"""

import base64
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import ipywidgets as w

from ckkit.errors import QueryError
from ckkit.model import Level, Node
from ckkit.nodequery import Facts, parse
from ckkit.views import theme
from ckkit.views.grid import Grid, Tally

METRIC_ORDER = ("ping", "cpu", "memory", "disk", "network", "load")
WORST_FIRST = (Level.CRITICAL, Level.WARN, Level.NODATA, Level.OK)
OF_A_NODE = ("name", "provider", "state", "tags", "address")
SPARK_PX = {"bytes/s": 132, "seconds": 116}  # what a number and a line of that unit need
NO_VALUE = struct.pack("<f", float("nan"))
EMPTY = (
    "No nodes yet.\n\nWrite [[nodes]] into ckkit.toml, or set enabled = true below [this_machine]; "
    "what is written there is here within seconds."
)


class OverviewPage:
    """
    `box` is what is displayed; `show` a document; `query` the text in the search box.

    A node's name leads to `node_link` and that name; outside of the dashboards to the same below `base`.
    """

    def __init__(self, node_link: str = "node.ipynb?node=", base: str = "") -> None:
        self._document: dict[str, Any] = {}
        self._nodes: list[Node] = []
        self._link = node_link
        self.head = w.HTML()
        self.head.add_class("ck-facts")
        self.tally = Tally(layout=w.Layout(width="200px", flex="0 0 auto"))
        self.search = w.Text(
            placeholder="search:  web*   tag:db -tag:staging   has:critical",
            continuous_update=True,
            layout=w.Layout(flex="0 1 440px", min_width="300px", margin="0"),
        )
        self.search.add_class("ck-search")
        self.said = w.HTML(layout=w.Layout(margin="0 0 0 14px"))
        self.grid = Grid(key="name", sort={"key": "level", "down": True}, empty="connecting …", height=0, base=base)
        above = w.HBox([self.search, self.said], layout=w.Layout(margin="0 0 10px 0", align_items="center"))
        right = w.VBox([above, self.grid], layout=w.Layout(flex="1 1 600px", min_width="0"))
        body = w.HBox([self.tally, right], layout=w.Layout(width="100%", align_items="flex-start", grid_gap="20px"))
        self.box = w.VBox([self.head, body], layout=w.Layout(width="100%", grid_gap="10px"))
        self.search.observe(lambda _: self._filter(), "value")
        self.tally.observe(self._chose, "chosen")

    @property
    def query(self) -> str:
        return str(self.search.value)

    @query.setter
    def query(self, text: str) -> None:
        self.search.value = text

    @property
    def title(self) -> str:
        """What the browser's tab says: how many alerts fire, else only what this is."""
        firing = self._document.get("alerts", {}).get("firing", 0)
        return f"({firing}) Overview · ckkit" if firing else "Overview · ckkit"

    def show(self, document: Mapping[str, Any]) -> None:
        """Show a document of the overview."""
        nodes = document["nodes"]
        if any(self._document.get("nodes", {}).get(name) != nodes[name] for name in OF_A_NODE):
            self._nodes = nodes_of(nodes)
        self._document = dict(document)
        self.head.value = header(document)
        self.tally.groups = groups(document)
        metrics = sorted(filter(_measured, document["metrics"]), key=lambda m: _place(m["key"]))
        with self.grid.hold_sync():
            self.grid.empty = EMPTY
            columns = columns_of(metrics, self._link)
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
        chosen = any(item["query"] == self.query for group in self.tally.groups for item in group["items"])
        self.tally.chosen = self.query if chosen else ""
        try:
            query = parse(self.query)
        except QueryError as error:
            self.search.add_class("ck-wrong")
            self.said.value = theme.page(f'<span role="alert">{escape(error.message)}</span>')
            return
        self.search.remove_class("ck-wrong")
        levels = self._document.get("nodes", {}).get("level", ())
        found = [
            i
            for i, node in enumerate(self._nodes)
            if query.matches(node, Facts(level=Level(levels[i]) if i < len(levels) else Level.OK))
        ]
        everything = len(found) == len(self._nodes)
        self.grid.shown = None if everything else found
        self.grid.none = f"no node matches {self.query}"
        counted = "" if everything else f"{len(found):,} of {len(self._nodes):,} nodes"
        self.said.value = theme.page(f'<span class="dim">{escape(counted)}</span>')


def nodes_of(columns: Mapping[str, Sequence[Any]]) -> list[Node]:
    """Return the nodes of a document, as records that a query can be asked about."""
    return [
        Node(name=n, provider=p, state=s, tags=tuple(tags), private_addresses=(a,) if a else ())
        for n, p, s, tags, a in zip(*(columns[name] for name in OF_A_NODE), strict=True)
    ]


def columns_of(metrics: Sequence[Mapping[str, Any]], link: str) -> list[dict[str, Any]]:
    """Return the columns of the grid; the metrics in their order."""
    return [
        {"key": "level", "label": "level", "kind": "level", "width": "84px"},
        {"key": "name", "label": "node", "kind": "text", "link": link, "width": "minmax(104px, 1fr)"},
        {"key": "tags", "label": "tags", "kind": "tags", "width": "minmax(90px, 1.3fr)", "drop": 2},
        {"key": "checks", "label": "checks", "kind": "count", "width": "46px", "drop": 1},
        *(
            {
                "key": m["key"],
                "label": m["label"],
                "kind": "spark",
                "unit": m["unit"],
                "spark": i,
                "width": f"minmax({SPARK_PX.get(m['unit'], 104)}px, 1fr)",
            }
            for i, m in enumerate(metrics)
        ),
    ]


def _measured(metric: Mapping[str, Any]) -> bool:
    """Whether any node has it: a value, or, when all of them are old, a point of a line."""
    if any(value is not None for value in metric["last"]):
        return True
    points = base64.b64decode(metric["spark"])
    return points != NO_VALUE * (len(points) // len(NO_VALUE))


def _place(key: str) -> tuple[int, str]:
    return (METRIC_ORDER.index(key) if key in METRIC_ORDER else len(METRIC_ORDER), key)


def groups(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the left column shows: all nodes, levels, tags, providers, with their counts."""
    nodes = document["nodes"]
    found = [{"title": "", "items": [{"label": "all nodes", "count": len(nodes["name"]), "query": "*"}]}]
    counts = Counter(nodes["level"])
    levels = [
        {
            "label": theme.LEVEL_WORD[level],
            "count": counts[level],
            "query": f"has:{level}",
            "level": level,
            "mark": theme.LEVEL_MARK[level],
        }
        for level in WORST_FIRST
        if counts[level]
    ]
    if levels:
        found.append({"title": "levels", "items": levels})
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
    state = f"{firing:,} firing" if firing else "nothing is firing"
    colour, mark = theme.LEVEL_COLOUR[level], theme.LEVEL_MARK[level]
    badge = f'<span class="b" style="background:{colour}">{mark} {escape(state)}</span>'
    later = f'<span class="s">{pending:,} pending</span>' if pending else ""
    every = float(document["every_seconds"])
    said = [f"as of {as_of:%H:%M:%S} UTC, updated every {every:g} s"]
    by = document.get("evaluated_by") or {}
    if by.get("slot"):
        slot = datetime.fromisoformat(by["slot"]).astimezone(UTC)
        said.append(f"monitors judged at {slot:%H:%M:%S} UTC by the {escape(str(by['by']))}")
    line = f'<span class="dim s" title="{as_of:%Y-%m-%d %H:%M:%S} UTC">{" · ".join(said)}</span>'
    style = "<style>.ckv .s{font-weight:400;font-size:13px}</style>"
    return theme.page(f'{style}<p class="head">{badge}{later}{line}</p>{notices(document["notices"])}')


def notices(found: Sequence[Mapping[str, Any]]) -> str:
    """Return what ckkit says of itself, each a line with its level."""
    lines = []
    for notice in found:
        level = Level(notice["level"]) if notice["level"] in set(Level) else Level.WARN
        since = datetime.fromisoformat(notice["since"]).astimezone(UTC)
        lines.append(
            f'<p class="notice" style="border-left-color:{theme.LEVEL_COLOUR[level]}" role="status">'
            f"<b>{theme.LEVEL_MARK[level]} {escape(notice['key'])}</b> {escape(notice['text'])} "
            f'<span class="dim">since {since:%H:%M:%S} UTC</span></p>'
        )
    style = (
        "<style>.ckv.ckv .notice{margin:6px 0 0;padding:5px 12px;border:1px solid var(--line);border-left-width:4px;"
        "border-radius:5px;background:var(--tint)}</style>"
    )
    return style + "".join(lines) if lines else ""
