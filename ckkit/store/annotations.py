"""
The changelog: what people (and deployments) did, written beside the measurements so that a chart can show it.

An annotation is of one node, or of all (`node` empty); `scope` says what of it changed: a service, a monitor, nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ckkit.errors import Invalid
from ckkit.store.statements import statement
from ckkit.store.times import aware, naive

if TYPE_CHECKING:
    from ckkit.store import Store, Tx

INSERT = "insert into annotations values ($ts, $node, $scope, $who, $text)"
LONGEST = 10_000  # characters of a text


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One line of the changelog."""

    ts: datetime
    text: str
    who: str
    node: str = ""
    scope: str = ""


def add(tx: "Tx", annotation: Annotation) -> None:
    """Write a line down and tell of it: `annotations`. Raises Invalid where it says nothing, or too much."""
    if not 0 < len(annotation.text.strip()) <= LONGEST:
        raise Invalid(f"an annotation has 1 to {LONGEST} characters, this one {len(annotation.text.strip())}")
    row = {name: getattr(annotation, name) for name in ("node", "scope", "who", "text")}
    tx.cur.execute(INSERT, row | {"ts": naive(annotation.ts)})
    tx.emit("annotations", annotation.node, {"text": annotation.text, "who": annotation.who})


def since(store: "Store", begin: datetime, node: str = "", limit: int = 1000) -> list[Annotation]:
    """Return the lines from `begin` on, the oldest first: of all nodes, or of one with those that are of all."""
    at = {"since": naive(begin), "node": node, "limit": limit}
    return [_annotation(row) for row in store.query(statement("annotations_since"), at).to_pylist()]


def _annotation(row: Mapping[str, Any]) -> Annotation:
    ts = aware(row["ts"])
    assert ts is not None  # the column takes none
    return Annotation(ts=ts, node=row["node"], scope=row["scope"], who=row["who"], text=row["text"])
