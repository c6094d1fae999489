"""What has no record of its own: mappings as rows, a column a key, each value by its type."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ckkit.views.tables import Cell, Column, Table, at, code, number, tabulate, text

# A time as JSON carries it.
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")


def rows(items: Sequence[Mapping[str, Any]], title: str = "", empty: str = "nothing") -> Table:
    """Records without a class of their own: a column a key, in the order of the first record."""
    heads: dict[str, None] = {}
    for item in items:
        heads.update(dict.fromkeys(item))
    columns = [Column(head.replace("_", " "), lambda item, head=head: anything(item.get(head))) for head in heads]
    return tabulate(title, columns, items, empty)


def anything(value: object) -> Cell:
    """Return the cell of a value of which only the type is known."""
    if isinstance(value, bool) or value is None:
        return text({True: "yes", False: "no", None: ""}[value])
    if isinstance(value, datetime):
        return at(value)
    if isinstance(value, str) and _ISO.match(value):
        return at(datetime.fromisoformat(value))
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        return text(pairs(value))
    if isinstance(value, list | tuple):
        return text(", ".join(map(str, value)))
    return text(value)


def pairs(mapping: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in mapping.items())


def check_types(items: Iterable[Mapping[str, Any]], title: str = "") -> Table:
    """A parameter that must be given is marked with a star."""
    columns = [
        Column("type", lambda t: code(t["name"])),
        Column("measures", lambda t: text(t.get("help"))),
        Column("from", lambda t: text("this machine" if t.get("local") else "outside")),
        Column("parameters", lambda t: text(_parameters(t.get("params", {})))),
        Column("metrics", lambda t: text(", ".join(metric["name"] for metric in t.get("metrics", ())))),
    ]
    return tabulate(title, columns, items, "no type of check is installed")


def _parameters(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}*" if about.get("required") else name for name, about in params.items())
