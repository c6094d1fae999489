"""
The one thread that writes.

Appends that wait while a transaction is under way share the next one (a group commit); other writes have one each.
Whoever asked is answered after the commit: acknowledged means on disk. Rows and the events that tell of them are one
transaction. Delivered twice counts once: a source's (boot, sequence) is kept in the same transaction, and when it is
unclear whether a commit happened, that mark decides, not the exception.
"""

import json
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import structlog

from ckkit.errors import StoreError
from ckkit.model import Event, Receipt, Result
from ckkit.store import results
from ckkit.store.catalogue import Catalogue, insert
from ckkit.store.faults import is_invalidated, of_write
from ckkit.store.times import naive

T = TypeVar("T")
GROUP = 64  # appends of one commit, at most

EVENTS = pa.schema(
    [
        ("seq", pa.uint64()),
        ("ts", pa.timestamp("ms")),
        ("topic", pa.string()),
        ("scope", pa.string()),
        ("source", pa.string()),
        ("payload", pa.string()),
    ]
)
EVENT = (
    "insert into events select unnest($seq), unnest($ts), unnest($topic), unnest($scope), unnest($source), "
    "unnest($payload)"
)
FEW = 200  # events that are faster as parameters than as an Arrow table
NEW_MARK = "insert into sources values ($source, $boot, $sequence, $seen)"
MOVE_MARK = "update sources set boot = $boot, sequence = $sequence, seen = $seen where source = $source"
Mark = tuple[str, int]
log = structlog.get_logger("store")


@dataclass(slots=True)
class Tx:
    """One transaction: the cursor to write with, the time, and the events that go with it."""

    cur: Any
    now: datetime
    catalogue: Catalogue
    events: list[tuple[str, str, str, Mapping[str, Any]]] = field(default_factory=list)

    def emit(self, topic: str, scope: str = "", payload: Mapping[str, Any] | None = None, source: str = "") -> None:
        """Add an event: stored with the rows, told after the commit."""
        self.events.append((topic, scope, source, dict(payload or {})))


@dataclass(slots=True)
class Append:
    """Results that wait: tables from outside, or records of the collector."""

    source: str
    boot: str
    sequence: int
    tables: Sequence[pa.Table] = ()
    records: Sequence[Result] = ()
    answer: "Future[Receipt]" = field(default_factory=Future)

    @property
    def rows(self) -> int:
        return sum(table.num_rows for table in self.tables) or len(self.records)


@dataclass(slots=True)
class Write:
    """A function to run in a transaction of its own."""

    run: Callable[[Tx], Any]
    answer: "Future[Any]" = field(default_factory=Future)


class Writer:
    """Made on an open store; `start`, then `append` and `write` from any thread, then `stop`."""

    def __init__(self, connect: Callable[[], duckdb.DuckDBPyConnection], clock: Callable[[], datetime]) -> None:
        """`connect` gives a cursor of the store, and of the reopened one after it was invalidated."""
        self._connect, self._clock = connect, clock
        self._queue: queue.SimpleQueue[Append | Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ckkit-store-writer", daemon=True)
        self.on_commit: list[Callable[[list[Event]], None]] = []
        self.on_results: list[Callable[[pa.Table], None]] = []
        self.catalogue = Catalogue()
        self._marks: dict[str, Mark] = {}
        self._seq = 0
        self._cur: Any = None
        self._stopped = False
        self._open()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, then end. Later asks are refused."""
        self._stopped = True
        self._queue.put(None)
        self._thread.join()
        self._refuse_the_rest()
        self._cur.close()

    def append(self, append: Append) -> Receipt:
        return self._ask(append)  # type: ignore[no-any-return]

    def write(self, function: Callable[[Tx], T]) -> T:
        if threading.current_thread() is self._thread:
            raise StoreError("a write within a write: use the transaction that is there")
        return self._ask(Write(function))  # type: ignore[no-any-return]

    def _ask(self, job: Append | Write) -> Any:
        if self._stopped:
            raise StoreError("the store is closed: nothing of this was stored")
        self._queue.put(job)
        return job.answer.result()

    def _refuse_the_rest(self) -> None:
        while True:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                job.answer.set_exception(StoreError("the store is closed: nothing of this was stored"))

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        waiting: Append | Write | None = None
        while True:
            job = waiting if waiting is not None else self._queue.get()
            waiting = None
            if job is None:
                return
            if isinstance(job, Write):
                self._write(job)
                continue
            group = [job]
            while len(group) < GROUP and not self._queue.empty():
                after = self._queue.get()
                if isinstance(after, Append):
                    group.append(after)
                    continue
                waiting = after
                if after is None:
                    self._queue.put(None)
                break
            self._append(group)

    def _write(self, job: Write) -> None:
        try:
            told, answer = self._transact(job.run)
        except BaseException as error:  # noqa: BLE001  whoever asked gets it; the thread goes on
            job.answer.set_exception(of_write(error) if isinstance(error, duckdb.Error) else error)
            self._recover(error)
            return
        job.answer.set_result(answer)
        self._tell(told)

    def _append(self, group: list[Append], *, again: bool = True) -> None:
        """Commit a group; when it cannot be, each alone, so that one bad batch spoils no other."""
        try:
            told, (receipts, rows, marks) = self._transact(lambda tx: self._store(tx, group))
        except BaseException as error:  # noqa: BLE001  as in _write
            self._recover(error)
            self._failed(group, error, again=again)
            return
        self._marks |= marks
        for append, receipt in zip(group, receipts, strict=True):
            append.answer.set_result(receipt)
        if rows is not None:
            for callback in self.on_results:
                self._call(callback, rows)
        self._tell(told)

    def _failed(self, group: list[Append], error: BaseException, *, again: bool) -> None:
        """After a failed commit the marks say what was stored all the same; the rest is tried once more, each alone."""
        for append in group:
            if self._seen(append):
                append.answer.set_result(Receipt(rows=append.rows, new=True))
            elif again and (len(group) > 1 or is_invalidated(error)):
                self._append([append], again=False)
            else:
                append.answer.set_exception(of_write(error))

    def _store(self, tx: Tx, group: list[Append]) -> tuple[list[Receipt], pa.Table | None, dict[str, Mark]]:
        """Insert what is new of a group: all rows at once, one mark a source, one notice."""
        receipts: list[Receipt] = []
        batches: list[pa.Table] = []
        marks: dict[str, Mark] = {}
        types: dict[str, int] = {}
        for append in group:
            new = not _is_covered(append, marks.get(append.source) or self._marks.get(append.source))
            if new:
                for table in append.tables or results.tables_of(tx.catalogue, append.records):
                    batches.append(results.stored(tx.catalogue, tx.cur, table))
                    kind = results.type_of(table)
                    types[kind] = types.get(kind, 0) + table.num_rows
                marks[append.source] = (append.boot, append.sequence)
            receipts.append(Receipt(rows=append.rows if new else 0, new=new))
        rows = pa.concat_tables(batches) if batches else None
        if rows is not None:
            tx.cur.register("incoming_results", rows)
            try:
                tx.cur.execute("insert into results by name select * from incoming_results")
            finally:
                tx.cur.unregister("incoming_results")
            tx.emit("results", payload={"types": types, "rows": rows.num_rows})
        for source, mark in marks.items():
            self._keep(tx, source, mark)
        return receipts, rows, marks

    def _keep(self, tx: Tx, source: str, mark: Mark) -> None:
        values = {"source": source, "boot": mark[0], "sequence": mark[1], "seen": naive(tx.now)}
        known = source in self._marks
        tx.cur.execute(MOVE_MARK if known else NEW_MARK, values)

    def _seen(self, append: Append) -> bool:
        return _is_covered(append, self._marks.get(append.source))

    def _transact(self, run: Callable[[Tx], T]) -> tuple[list[Event], T]:
        now = self._clock()
        tx = Tx(self._cur, now, self.catalogue)
        self._cur.execute("begin")
        try:
            answer = run(tx)
            events = self._events(tx)
            self._record(events)
            self._cur.execute("commit")
        except BaseException:
            try:
                self._cur.execute("rollback")
            except duckdb.Error:
                log.debug("nothing to roll back")
            raise
        self._seq += len(events)
        return events, answer

    def _record(self, events: list[Event]) -> None:
        rows = [_row(event) for event in events]
        if len(rows) > FEW:
            insert(self._cur, "events", EVENTS, rows)
        elif rows:
            self._cur.execute(EVENT, {name: [row[name] for row in rows] for name in EVENTS.names})

    def _events(self, tx: Tx) -> list[Event]:
        at = tx.now.replace(microsecond=tx.now.microsecond // 1000 * 1000)
        return [
            Event(seq=self._seq + n, ts=at, topic=topic, scope=scope, source=source, payload=payload)
            for n, (topic, scope, source, payload) in enumerate(tx.events, 1)
        ]

    def _recover(self, error: BaseException) -> None:
        """After a failure: reopen where the database asks for it, and read again what is held in memory."""
        if is_invalidated(error):
            log.warning("the database was invalidated and is reopened", error=str(error).splitlines()[0])
        try:
            self._open(reopen=is_invalidated(error))
        except duckdb.Error as again:
            log.error("the store could not be read after a failure", error=str(again).splitlines()[0])

    def _open(self, *, reopen: bool = False) -> None:
        if self._cur is None or reopen:
            if self._cur is not None:
                self._cur.close()
            self._cur = self._connect()
        self.catalogue = Catalogue.read(self._cur)
        self._marks = {
            s: (b, n) for s, b, n in self._cur.execute("select source, boot, sequence from sources").fetchall()
        }
        self._seq = self._cur.execute("select coalesce(max(seq), 0) from events").fetchone()[0]

    def _tell(self, events: list[Event]) -> None:
        if events:
            for callback in self.on_commit:
                self._call(callback, events)

    @staticmethod
    def _call(callback: Callable[[Any], None], told: Any) -> None:
        try:
            callback(told)
        except Exception:  # a listener's fault; the commit stands and the others are told
            log.exception("a listener of the store failed", listener=getattr(callback, "__qualname__", str(callback)))


def _is_covered(append: Append, mark: Mark | None) -> bool:
    """Say whether a mark says that this was stored already."""
    return mark is not None and mark[0] == append.boot and append.sequence <= mark[1]


def _row(event: Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "ts": naive(event.ts),
        "topic": event.topic,
        "scope": event.scope,
        "source": event.source,
        "payload": json.dumps(event.payload, default=str, separators=(",", ":")),
    }
