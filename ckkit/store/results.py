"""
Results on their way into the table: checked, put into the layout of `results`, rounded, sorted by check.

From outside they come as an Arrow table of one check type: the type in the schema's metadata under `type`; the columns
ts, check_id, state, took (seconds), status; one column of numbers a metric. From the collector they come as records.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckkit.errors import Invalid
from ckkit.model import EPOCH, Result
from ckkit.store.catalogue import Catalogue
from ckkit.store.tables import SLOTS

CALLED = "metric"  # where the metadata of a column says which metric it holds
DIGITS = 6  # that a gauge keeps
FIXED: dict[str, pa.DataType] = {
    "ts": pa.timestamp("ms"),
    "check_id": pa.uint32(),
    "state": pa.uint8(),
    "took": pa.float32(),
    "status": pa.string(),
}
CHUNK = 16384  # numbers that are rounded at once: they stay in the processor's cache
MILLISECOND = timedelta(milliseconds=1)
FIRST_MS, LAST_MS = 946_684_800_000, 4_102_444_800_000  # 2000-01-01 and 2100-01-01, UTC
STATUS_LIMIT = 4096  # characters
_POWERS = 10.0 ** np.arange(24)  # looked up: to raise 100,000 numbers takes milliseconds
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
    metrics = [metric_of(table.schema.field(name)) for name in names]
    columns = {name: table[name].combine_chunks() for name in FIXED}
    block = _block(table, names, [catalogue.exact(kind, metric) for metric in metrics])
    columns |= _values(dict(zip(catalogue.positions(cur, kind, metrics), block, strict=True)), len(ids))
    out = pa.table(columns)
    return out if bool((ids[:-1] <= ids[1:]).all()) else out.take(np.argsort(ids, kind="stable"))


def type_of(incoming: pa.Table) -> str:
    """Return the check type that a table of results says it is of. Raises Invalid where it says none."""
    kind = str((incoming.schema.metadata or {}).get(b"type", b""), "utf-8", "replace")
    if not kind:
        raise Invalid("these results do not say their check type: put it into the schema's metadata under `type`")
    return kind


def metric_of(field: pa.Field) -> str:
    """Return the metric of a column: its name, unless a column of every result has that name already."""
    return str((field.metadata or {}).get(CALLED.encode(), b""), "utf-8") or str(field.name)


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
    _must_be_of_our_time(incoming["ts"])
    return _bounded(incoming)


def _must_be_of_our_time(times: pa.ChunkedArray) -> None:
    """Refuse times that are a clock's mistake; some that a column can hold make every later query fail."""
    if len(times) == 0:
        return
    ends = pc.min_max(times.cast(pa.int64()))
    for end in (ends["min"].as_py(), ends["max"].as_py()):
        if not FIRST_MS <= end < LAST_MS:
            raise Invalid(f"these results have the time {end} ms since 1970, which is not between 2000 and 2100")


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
    """The ids of a type have no gaps: their bounds tell whether all of them are known."""
    first, last = catalogue.bounds(kind)
    strange = ids[(ids < first) | (ids > last)]
    if not len(strange):
        return
    check_id = int(strange[0])
    found = catalogue.identities.get(check_id)
    if found is None:
        raise Invalid(f"there is no check with the id {check_id}: `ckkit checks list` shows those that there are")
    raise Invalid(f"check {check_id} of node {found.node} is of the type {found.type!r}, not {kind!r}")


def _block(table: pa.Table, names: Sequence[str], exact: Sequence[bool]) -> _NUMBERS:
    """The numbers of the metrics, a row each, rounded where they may be; NaN where there is none."""
    block = np.empty((len(names), table.num_rows))
    for row, name in zip(block, names, strict=True):
        row[:] = table[name].to_numpy()
    round_these = ~np.array(exact, dtype=bool)
    if round_these.all():
        return rounded(block)  # all at once: many small arrays take three times as long
    block[round_these] = rounded(block[round_these])
    return block


def rounded(numbers: _NUMBERS, digits: int = DIGITS) -> _NUMBERS:
    """
    Round to significant digits; zero, NaN and infinities stay.

    >>> rounded(np.array([123456789.0, 0.000123456789, -2.0, 0.0])).tolist()
    [123457000.0, 0.000123457, -2.0, 0.0]
    """
    out = np.empty_like(numbers)
    flat_in, flat_out = numbers.reshape(-1), out.reshape(-1)
    for start in range(0, numbers.size, CHUNK):
        part = slice(start, start + CHUNK)
        flat_out[part] = _rounded(flat_in[part], digits)
    return out


def _rounded(numbers: _NUMBERS, digits: int) -> _NUMBERS:
    magnitude = np.abs(numbers)
    usual = (magnitude < 1e15) & (magnitude > 1e-15)
    exponent = np.floor(np.log10(np.where(usual, magnitude, 1.0))).astype(np.intp)
    places = digits - 1 - exponent
    # A division by a power of ten is rounded correctly, a multiplication by its inverse is not.
    up, down = _POWERS[np.maximum(places, 0)], _POWERS[np.maximum(-places, 0)]
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(usual, np.rint(numbers * up / down) * down / up, numbers)


def _values(by_position: dict[int, _NUMBERS], rows: int) -> dict[str, pa.Array]:
    """Return the value columns; what has no value is null."""
    nothing = pa.nulls(rows, pa.float64())
    columns = {f"v{position}": nothing for position in range(1, SLOTS + 1)}
    for position, numbers in by_position.items():
        if position <= SLOTS:
            columns[f"v{position}"] = _nullable(numbers)
    return columns | {"more": _more({p: n for p, n in by_position.items() if p > SLOTS}, rows)}


def _more(beyond: dict[int, _NUMBERS], rows: int) -> pa.Array:
    if not beyond:
        return pa.nulls(rows, pa.list_(pa.float64()))
    width = max(beyond) - SLOTS
    block = np.full((rows, width), np.nan)
    for position, numbers in beyond.items():
        block[:, position - SLOTS - 1] = numbers
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), _nullable(block.ravel()))


def _nullable(numbers: _NUMBERS) -> pa.Array:
    return pa.array(numbers, from_pandas=True)


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
    try:
        return _columns(rows, names).replace_schema_metadata({"type": kind})
    except (pa.ArrowException, UnicodeError, OverflowError, TypeError, ValueError) as error:
        raise Invalid(f"a result of a check of the type {kind!r} cannot be kept: {error}") from None


def _columns(rows: list[Result], names: list[str]) -> pa.Table:
    columns: dict[str, Any] = {
        "ts": pa.array([(r.ts - EPOCH) // MILLISECOND for r in rows], pa.int64()).cast(pa.timestamp("ms")),
        "check_id": pa.array([r.check_id for r in rows], pa.uint32()),
        "state": pa.array([r.state.code for r in rows], pa.uint8()),
        "took": pa.array([r.took_seconds for r in rows], pa.float32()),
        "status": pa.array([r.status for r in rows], pa.string()),
    }
    fields = [pa.field(name, kind) for name, kind in FIXED.items()]
    for name in names:
        column = f"{CALLED} {name}" if name in FIXED else name
        fields.append(pa.field(column, pa.float64(), metadata={CALLED: name}))
        columns[column] = pa.array([r.values.get(name) for r in rows], pa.float64())
    return pa.table(columns, schema=pa.schema(fields))
