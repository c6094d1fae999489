"""
Results on their way into the table: checked, put into the layout of `results`, rounded, sorted by check.

From outside they come as an Arrow table of one check type: the type in the schema's metadata under `type`; the columns
ts, check_id, state, took (seconds), status; one column of numbers a metric. From the collector they come as records.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckkit.errors import Invalid
from ckkit.model import Result
from ckkit.store.catalogue import Catalogue
from ckkit.store.tables import SLOTS, TYPE_SHIFT

DIGITS = 6  # that a gauge keeps
FIXED: dict[str, pa.DataType] = {
    "ts": pa.timestamp("ms"),
    "check_id": pa.uint32(),
    "state": pa.uint8(),
    "took": pa.float32(),
    "status": pa.string(),
}
STATUS_LIMIT = 4096  # characters
_NUMBERS = np.ndarray[Any, np.dtype[np.float64]]


def stored(catalogue: Catalogue, cur: Any, incoming: pa.Table) -> pa.Table:
    """
    Return the rows in the layout of `results`, sorted by check_id; new metrics get their positions.

    Raises:
        Invalid: no type, a missing or unknown column, a check that does not exist or is of another type.
    """
    kind = type_of(incoming)
    table = _checked(incoming)
    ids = table["check_id"].to_numpy()
    _must_be_known(catalogue, ids, kind)
    names = [name for name in table.column_names if name not in FIXED]
    positions = catalogue.positions(cur, kind, names)
    values = {
        p: _values(table[name], exact=catalogue.exact(kind, name)) for name, p in zip(names, positions, strict=True)
    }
    order = None if len(ids) < 2 or bool((ids[:-1] <= ids[1:]).all()) else np.argsort(ids, kind="stable")
    rows = len(ids)
    columns = {name: table[name].combine_chunks() for name in FIXED}
    for position in range(1, SLOTS + 1):
        found = values.get(position)
        columns[f"v{position}"] = pa.nulls(rows, pa.float64()) if found is None else _nullable(found)
    columns["more"] = _more(values, rows)
    out = pa.table(columns)
    return out if order is None else out.take(order)


def type_of(incoming: pa.Table) -> str:
    """Return the check type that a table of results says it is of. Raises Invalid where it says none."""
    kind = str((incoming.schema.metadata or {}).get(b"type", b""), "utf-8", "replace")
    if not kind:
        raise Invalid("these results do not say their check type: put it into the schema's metadata under `type`")
    return kind


def _checked(incoming: pa.Table) -> pa.Table:
    if missing := [name for name in FIXED if name not in incoming.column_names]:
        raise Invalid(
            f"these results have no column {', '.join(missing)}: they need {', '.join(FIXED)} and the metrics"
        )
    if len(set(incoming.column_names)) != incoming.num_columns:
        raise Invalid("these results have two columns of one name")
    try:
        incoming = _cast(incoming)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise Invalid(f"these results have a column that is not what it must be: {error}") from None
    for name in ("ts", "check_id", "state"):
        if incoming[name].null_count:
            raise Invalid(f"these results have rows without {name}")
    if incoming.num_rows and (highest := pc.max(incoming["state"]).as_py()) > 2:
        raise Invalid(f"these results have the state {highest}: there are 0 (ok), 1 (warn), 2 (err)")
    return _bounded(incoming)


def _cast(incoming: pa.Table) -> pa.Table:
    """Give every column the type that it has in the table; times lose what is below a millisecond."""
    for index, field in enumerate(incoming.schema):
        wanted = FIXED.get(field.name, pa.float64())
        if field.type != wanted:
            cut = pa.types.is_timestamp(field.type)
            incoming = incoming.set_column(index, field.name, pc.cast(incoming.column(index), wanted, safe=not cut))
    return incoming


def _bounded(incoming: pa.Table) -> pa.Table:
    """Cut status texts that are longer than a status is."""
    status = incoming["status"]
    if incoming.num_rows and (pc.max(pc.utf8_length(status)).as_py() or 0) > STATUS_LIMIT:
        cut = pc.utf8_slice_codeunits(status, 0, STATUS_LIMIT)
        incoming = incoming.set_column(incoming.column_names.index("status"), "status", cut)
    return incoming


def _must_be_known(catalogue: Catalogue, ids: Any, kind: str) -> None:
    type_id = catalogue.types.get(kind)
    for check_id in np.unique(ids).tolist():
        if check_id not in catalogue.identities:
            raise Invalid(f"there is no check with the id {check_id}: `ckkit checks list` shows those that there are")
        if check_id >> TYPE_SHIFT != type_id:
            found = catalogue.identities[check_id]
            raise Invalid(f"check {check_id} of node {found.node} is of the type {found.type!r}, not {kind!r}")


def _values(column: pa.ChunkedArray, *, exact: bool) -> _NUMBERS:
    """The numbers of a column; NaN where there is none."""
    numbers: _NUMBERS = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return numbers if exact else rounded(numbers)


def rounded(numbers: _NUMBERS, digits: int = DIGITS) -> _NUMBERS:
    """
    Round to significant digits; zero, NaN and infinities stay.

    >>> rounded(np.array([123456789.0, 0.000123456789, -2.0, 0.0])).tolist()
    [123457000.0, 0.000123457, -2.0, 0.0]
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        magnitude = np.abs(numbers)
        usual = (magnitude < 1e15) & (magnitude > 1e-15)
        exponent = np.where(usual, np.floor(np.log10(magnitude, where=usual, out=np.zeros_like(magnitude))), 0)
        places = digits - 1 - exponent
        # A division by a power of ten is rounded correctly, a multiplication by its inverse is not.
        up, down = np.power(10.0, np.maximum(places, 0)), np.power(10.0, np.maximum(-places, 0))
        return np.where(usual, np.rint(numbers * up / down) * down / up, numbers)


def _nullable(numbers: _NUMBERS) -> pa.Array:
    return pa.array(numbers, from_pandas=True)


def _more(values: dict[int, _NUMBERS], rows: int) -> pa.Array:
    beyond = [p for p in values if p > SLOTS]
    if not beyond:
        return pa.nulls(rows, pa.list_(pa.float64()))
    width = max(beyond) - SLOTS
    block = np.full((rows, width), np.nan)
    for position in beyond:
        block[:, position - SLOTS - 1] = values[position]
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), _nullable(block.ravel()))


def tables_of(catalogue: Catalogue, results: Sequence[Result]) -> list[pa.Table]:
    """Return records as tables of one check type each, as they would come from outside. Raises Invalid."""
    by_type: dict[str, list[Result]] = {}
    for result in results:
        identity = catalogue.identities.get(result.check_id)
        if identity is None:
            raise Invalid(f"there is no check with the id {result.check_id}", check_id=result.check_id)
        by_type.setdefault(identity.type, []).append(result)
    return [_table(kind, rows) for kind, rows in by_type.items()]


def _table(kind: str, rows: list[Result]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    columns: dict[str, Any] = {
        "ts": pa.array([int(r.ts.timestamp() * 1000) for r in rows], pa.int64()).cast(pa.timestamp("ms")),
        "check_id": pa.array([r.check_id for r in rows], pa.uint32()),
        "state": pa.array([r.state.code for r in rows], pa.uint8()),
        "took": pa.array([r.took_seconds for r in rows], pa.float32()),
        "status": pa.array([r.status for r in rows], pa.string()),
    }
    for name in names:
        columns[name] = pa.array([r.values.get(name) for r in rows], pa.float64())
    return pa.table(columns).replace_schema_metadata({"type": kind})
