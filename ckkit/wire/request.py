"""
What a read asks, as JSON: the SQL, and its parameters with their types.

So times, dates, bytes and durations keep their types on the way, and no value is ever part of the SQL. JSON and not
Arrow, since to make an Arrow array imports pandas where that is installed: 45 MB and a second for each dashboard.

    {"sql": "select …", "params": {"since": {"datetime": "2026-03-01T00:00:00Z"}, "node": "web0"}, "patience_s": 5}
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from ckkit.errors import Invalid

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
TYPES: dict[str, type] = {
    "datetime": datetime,  # before the date that it also is
    "date": date,
    "timedelta": timedelta,
    "bytes": bytes,
    "decimal": Decimal,
    "float": str,  # those that JSON has no word for
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One SELECT and its `$name` parameters. `patience_s`: how long whoever asks would wait; None: as the hub does."""

    sql: str
    params: Mapping[str, Any] | None = None
    patience_s: float | None = None


class _Body(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    sql: str
    params: dict[str, Any] | None = None
    patience_s: float | None = None


def pack(ask: Ask) -> bytes:
    """
    Return the ask as bytes.

    Raises:
        Invalid: a parameter is of a type that no column can have; names it.
    """
    params = {name: _told(value, name) for name, value in ask.params.items()} if ask.params else None
    return msgspec.json.encode(_Body(sql=ask.sql, params=params, patience_s=ask.patience_s))


def unpack(body: bytes) -> Ask:
    """Read what `pack` wrote. Raises Invalid where it is anything else."""
    try:
        found = msgspec.json.decode(body, type=_Body)
        params = {name: _meant(value) for name, value in found.params.items()} if found.params else None
    except (msgspec.DecodeError, ValueError) as error:
        raise Invalid(f"the body of a read must be JSON with `sql`, `params`, `patience_s`: {error}") from None
    return Ask(found.sql, params, found.patience_s)


def _told(value: Any, name: str) -> Any:
    """A value as JSON: itself, or under the name of its type."""
    if hasattr(value, "item") and not isinstance(value, (list, tuple, str, bytes)):
        value = value.item()  # a scalar of numpy
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_told(one, name) for one in value]
    for known, kind in TYPES.items():
        if isinstance(value, kind):
            return {known: msgspec.to_builtins(value)}
    raise Invalid(
        f"the parameter ${name} of type {type(value).__name__} cannot be sent: "
        "use numbers, text, bytes, times, durations, or lists of one of them"
    )


def _meant(value: Any) -> Any:
    if isinstance(value, list):
        return [_meant(one) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or (kind := next(iter(value))) not in TYPES:
        raise ValueError(f"a parameter is {value!r}: write one of {', '.join(TYPES)} as its only key")
    meant: Any = msgspec.convert(value[kind], TYPES[kind])
    return float(meant) if kind == "float" else meant
