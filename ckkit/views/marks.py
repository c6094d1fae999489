"""Marks: what happened, as vertical lines in a chart: transitions, entries of the changelog."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ckkit.model import Level, Status, Transition
from ckkit.views import theme
from ckkit.views.tables import utc

TEXT_WIDTH = 0.22  # of the chart: what the text of a mark takes at most


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a time: a vertical line with a text, in the colour of its level where it has one."""

    at: datetime
    text: str
    level: Level | None = None


def draw(annotations: Any, first: datetime, last: datetime) -> dict[str, Any]:
    """
    Return the `shapes` and `annotations` of a layout for what lies between `first` and `last`.

    A mark whose text would cover that of the one before says it on hovering only.
    """
    marks = [marked(annotation) for annotation in _each(annotations)]
    shapes, texts = [], []
    free_from = -1.0
    for mark in sorted(marks, key=lambda mark: mark.at):
        place = (mark.at - first) / (last - first)
        if not 0 <= place <= 1:
            continue
        leftward = place > 1 - TEXT_WIDTH
        quiet = place - leftward * TEXT_WIDTH < free_from
        if not quiet:
            free_from = place + (not leftward) * TEXT_WIDTH
        colour = theme.LEVEL_COLOUR[mark.level] if mark.level else theme.ink()
        at = utc(mark.at)
        shapes.append(
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": at,
                "x1": at,
                "y0": 0,
                "y1": 1,
                "line": {"color": colour, "width": 1, "dash": "dot"},
            }
        )
        symbol = theme.LEVEL_MARK[mark.level] if mark.level else "▾"
        texts.append(
            {
                "x": at,
                "y": 1,
                "xref": "x",
                "yref": "paper",
                "yanchor": "top" if quiet else "bottom",
                "xanchor": "center" if quiet else "right" if leftward else "left",
                "showarrow": False,
                "text": symbol if quiet else plain(f"{symbol} {_short(mark.text)}"),
                "hovertext": plain(f"{at} UTC: {mark.text}"),
                "font": {"size": 11, "color": colour},
            }
        )
    return {"shapes": shapes, "annotations": texts}


def marked(given: Any) -> Mark:
    """Return a transition, a mapping with `ts` and `text`, or a pair of them, as a mark."""
    if isinstance(given, Mark):
        return given
    if isinstance(given, Transition):
        level = Level.OK if given.after is Status.OK else given.level
        return Mark(aware(given.slot), f"{given.monitor} {given.after} ({given.reason})", level)
    if isinstance(given, Mapping):
        return Mark(aware(given["ts"]), str(given["text"]))
    when, text = given
    return Mark(aware(when), str(text))


def _each(annotations: Any) -> list[Any]:
    table = getattr(annotations, "arrow", None)
    return list(annotations) if table is None else table.select(["ts", "text"]).to_pylist()


def plain(text: str) -> str:
    """Plotly reads a little HTML in its texts: what people named stays text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def aware(when: datetime) -> datetime:
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
