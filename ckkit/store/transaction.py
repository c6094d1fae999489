"""
One transaction after the other: begun, filled, committed, and after a failure judged by what the file says.

An exception at COMMIT can mean committed ("COMMIT succeeded and is durable, but the autocheckpoint failed", on a full
disk; an interrupt). So every transaction leaves a trace, the number of its last event or the count of silent writes,
and when COMMIT raises, that trace decides, not the exception.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import structlog

from ckkit.errors import CkkitError, StoreError
from ckkit.model import Event
from ckkit.store import outbox
from ckkit.store.catalogue import Catalogue
from ckkit.store.faults import first_line, is_invalidated, is_out_of_memory
from ckkit.store.pool import Pool

T = TypeVar("T")
ATTEMPTS = 3
INSERT_RESULTS = "insert into results by name select * from incoming_results"
Mark = tuple[str, int]
log = structlog.get_logger("store")


@dataclass(slots=True)
class Tx:
    """One transaction: the cursor to write with, the time, and the events that go with it."""

    cur: Any
    now: datetime
    catalogue: Catalogue
    incoming: "Incoming"
    events: list[tuple[str, str, str, Mapping[str, Any]]] = field(default_factory=list)

    def emit(self, topic: str, scope: str = "", payload: Mapping[str, Any] | None = None, source: str = "") -> None:
        """Add an event: stored with the rows, told after the commit."""
        self.events.append((topic, scope, source, dict(payload or {})))

    def add_results(self, rows: pa.Table) -> None:
        """Add rows in the layout of `results`."""
        self.incoming.rows = rows
        try:
            self.cur.execute(INSERT_RESULTS)
        finally:
            self.incoming.rows = None


class Incoming:
    """What DuckDB reads as `incoming_results`: registered once, since registering costs as much as an insert."""

    rows: pa.Table | None = None

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return (self.rows if self.rows is not None else _NOTHING).__arrow_c_stream__(requested_schema)


_NOTHING = pa.table({"ts": pa.array([], pa.timestamp("ms"))})


class Transactions:
    """The writer's connection, and what is known of the file: catalogue, marks, numbers. For one thread."""

    def __init__(self, pool: Pool, clock: Callable[[], datetime], make_room: Callable[[str], None]) -> None:
        """`make_room(why)` ends the queries of people when they hold the memory that a write needs."""
        self._pool, self._clock, self._make_room = pool, clock, make_room
        self.catalogue = Catalogue()
        self.marks: dict[str, Mark] = {}
        self._incoming = Incoming()
        self._seq = self._silent = 0
        self._cur: Any = None
        self._connect()

    def close(self) -> None:
        if self._cur is not None:
            with contextlib.suppress(duckdb.Error):
                self._cur.close()
            self._cur = None

    def run(self, work: Callable[[Tx], T]) -> tuple[list[Event], T]:
        """
        Do `work` in a transaction; return its events, with their numbers, and its answer.

        What was undone because the database had to be opened again, or because queries held the memory, is done again:
        `work` may run more than once, and is committed once. Raises what `work` or DuckDB raises; then nothing is
        stored.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._once(work)
            except (duckdb.Error, MemoryError) as error:
                if attempt == ATTEMPTS or not (is_invalidated(error) or is_out_of_memory(error)):
                    raise
                log.warning("a write is done again", attempt=attempt, error=first_line(error))
                if is_out_of_memory(error):
                    self._make_room("the store needed the memory to write")
        raise AssertionError("the last attempt returns or raises")

    def _once(self, work: Callable[[Tx], T]) -> tuple[list[Event], T]:
        if self._cur is None:
            self._reconnect()
        tx = Tx(self._cur, self._clock(), self.catalogue, self._incoming)
        events: list[Event] | None = None
        try:
            self._cur.execute("begin")
            answer = work(tx)
            numbered = _numbered(tx, self._seq)
            outbox.record(self._cur, numbered)
            events = numbered
            self._cur.execute("commit")
        except BaseException as error:
            seq, silent = self._seq, self._silent
            self._undo(error)
            if events is None or not self._is_there(events, seq, silent):
                raise
            log.warning("committed, although the commit raised", error=first_line(error))
            return events, answer
        self.catalogue.changed = False
        self._seq += len(events)
        self._silent += not events
        return events, answer

    def _is_there(self, events: list[Event], seq: int, silent: int) -> bool:
        """Say whether the file has the transaction that began at these numbers."""
        return self._seq >= seq + len(events) if events else self._silent > silent

    def _undo(self, error: BaseException) -> None:
        """Roll back, and know again what the file says; open it again where DuckDB asks for it."""
        try:
            if is_invalidated(error):
                self._reconnect()
            elif not self._rolled_back():
                self.close()
                self._connect()
            elif isinstance(error, (duckdb.Error, MemoryError)) or self.catalogue.changed:
                self._know()
        except (duckdb.Error, CkkitError) as again:
            log.error("the store is opened again before its next write", error=first_line(again))
            self.close()

    def _rolled_back(self) -> bool:
        try:
            self._cur.execute("rollback")
        except duckdb.TransactionException:  # by DuckDB, before us
            return True
        except duckdb.Error:
            return False
        return True

    def _reconnect(self) -> None:
        """Open the file again, with everything that was open on it closed."""
        self.close()
        log.warning("the store is opened again")
        try:
            self._pool.reopen()
            self._connect()
        except duckdb.Error as error:
            raise StoreError(f"the store could not be opened again: {first_line(error)}") from None

    def _connect(self) -> None:
        self._cur = self._pool.own()
        self._cur.register("incoming_results", self._incoming)
        self._know()

    def _know(self) -> None:
        self.catalogue = Catalogue.read(self._cur)
        rows = self._cur.execute("select source, boot, sequence from sources").fetchall()
        self.marks = {source: (boot, sequence) for source, boot, sequence in rows}
        self._seq, self._silent = outbox.numbers(self._cur)


def _numbered(tx: Tx, seq: int) -> list[Event]:
    at = tx.now.replace(microsecond=tx.now.microsecond // 1000 * 1000)
    return [
        Event(seq=seq + n, ts=at, topic=topic, scope=scope, source=source, payload=payload)
        for n, (topic, scope, source, payload) in enumerate(tx.events, 1)
    ]
