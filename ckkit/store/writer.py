"""
The one thread that writes.

Appends that wait while a transaction is under way share the next one (a group commit); other writes have one each.
Whoever asked is answered after the commit: acknowledged means on disk. Rows and the events that tell of them are one
transaction. Delivered twice counts once: a source's (boot, sequence) is kept in that transaction too.

A source sends one batch after the other: its mark is the highest sequence. When a batch of it fails for a reason that
may pass, those behind it in the same group fail too, or the mark would pass over what is still to be stored.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import structlog

from ckkit.errors import CkkitError, Invalid, StoreError
from ckkit.model import Event, Receipt, Result
from ckkit.store import results
from ckkit.store.catalogue import Catalogue
from ckkit.store.faults import of_write
from ckkit.store.times import naive
from ckkit.store.transaction import Mark, Transactions, Tx

T = TypeVar("T")
GROUP = 64  # appends of one commit, at most
GROUP_ROWS = 200_000  # rows of one commit, before it takes no further append

NEW_MARK = "insert into sources values ($source, $boot, $sequence, $seen)"
MOVE_MARK = "update sources set boot = $boot, sequence = $sequence, seen = $seen where source = $source"
_MARKS = "(select unnest($source) as source, unnest($boot) as boot, unnest($sequence) as sequence) as m"
NEW_MARKS = f"insert into sources select source, boot, sequence, $seen from {_MARKS}"  # noqa: S608  our own text
MOVE_MARKS = (
    "update sources set boot = m.boot, sequence = m.sequence, seen = $seen "  # noqa: S608  our own text
    f"from {_MARKS} where sources.source = m.source"
)
CLOSED = "the store is closed: nothing of this was stored"
log = structlog.get_logger("store")


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


@dataclass(slots=True)
class Group:
    """What a group of appends came to: a receipt each, the rows that were new, the marks to keep."""

    receipts: list[Receipt] = field(default_factory=list)
    rows: pa.Table | None = None
    marks: dict[str, Mark] = field(default_factory=dict)


class Writer:
    """`start`, then `append` and `write` from any thread, then `stop`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._queue: queue.SimpleQueue[Append | Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ckkit-store-writer", daemon=True)
        self._door = threading.Lock()
        self._closed = False
        self.on_commit: list[Callable[[list[Event]], None]] = []
        self.on_results: list[Callable[[pa.Table], None]] = []

    @property
    def catalogue(self) -> Catalogue:
        return self._transactions.catalogue

    @property
    def is_here(self) -> bool:
        """Say whether this is the writer's own thread."""
        return threading.current_thread() is self._thread

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, then end. Later asks are refused."""
        with self._door:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._transactions.close()

    def append(self, append: Append) -> Receipt:
        return self._ask(append)  # type: ignore[no-any-return]

    def write(self, function: Callable[[Tx], T]) -> T:
        return self._ask(Write(function))  # type: ignore[no-any-return]

    def _ask(self, job: Append | Write) -> Any:
        if self.is_here:
            raise StoreError("a write within a write: use the transaction that is there")
        with self._door:
            if self._closed:
                raise StoreError(CLOSED)
            self._queue.put(job)
        return job.answer.result()

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        job = self._queue.get()
        while job is not None:
            behind: list[Append | Write | None] = []
            if isinstance(job, Write):
                self._write(job)
            else:
                self._append(self._gathered(job, behind))
            job = behind[0] if behind else self._queue.get()

    def _gathered(self, first: Append, behind: list[Append | Write | None]) -> list[Append]:
        """Return the appends that wait, up to the limits; what follows them, if it was taken, goes to `behind`."""
        group, rows = [first], first.rows
        while len(group) < GROUP and rows < GROUP_ROWS and not self._queue.empty():
            job = self._queue.get()
            if not isinstance(job, Append):
                behind.append(job)
                break
            group.append(job)
            rows += job.rows
        return group

    def _write(self, job: Write) -> None:
        try:
            events, answer = self._transactions.run(job.run)
        except BaseException as error:  # noqa: BLE001  whoever asked gets it; the thread goes on
            job.answer.set_exception(of_write(error) if isinstance(error, (duckdb.Error, MemoryError)) else error)
            return
        job.answer.set_result(answer)
        self._tell(events)

    def _append(self, group: list[Append]) -> None:
        """Commit a group; when that cannot be, each alone, so that one bad batch spoils no other."""
        try:
            events, done = self._transactions.run(lambda tx: self._stored(tx, group))
        except BaseException as error:
            if len(group) > 1:
                self._append_singly(group)
            else:
                if not isinstance(error, (duckdb.Error, CkkitError)):
                    log.exception("an append failed by a fault of ours", source=group[0].source)
                group[0].answer.set_exception(of_write(error))
            return
        self._transactions.marks |= done.marks
        for append, receipt in zip(group, done.receipts, strict=True):
            append.answer.set_result(receipt)
        if done.rows is not None:
            for callback in self.on_results:
                self._call(callback, done.rows)
        self._tell(events)

    def _append_singly(self, group: list[Append]) -> None:
        stuck: dict[str, BaseException] = {}
        for append in group:
            if append.source in stuck:
                append.answer.set_exception(stuck[append.source])
                continue
            self._append([append])
            error = append.answer.exception()
            if error is not None and not isinstance(error, Invalid):
                stuck[append.source] = error

    def _stored(self, tx: Tx, group: list[Append]) -> Group:
        """Insert what is new of a group: all rows at once, one mark a source, one notice."""
        done, batches, types = Group(), [], dict[str, int]()
        known = self._transactions.marks
        for append in group:
            new = not _is_covered(append, done.marks.get(append.source) or known.get(append.source))
            done.receipts.append(Receipt(rows=append.rows if new else 0, new=new))
            if not new:
                continue
            for table in append.tables or results.tables_of(tx.catalogue, append.records):
                batches.append(results.stored(tx.catalogue, tx.cur, table))
                kind = results.type_of(table)
                types[kind] = types.get(kind, 0) + table.num_rows
            done.marks[append.source] = (append.boot, append.sequence)
        if batches:
            done.rows = pa.concat_tables(batches)
            tx.add_results(done.rows)
            tx.emit("results", payload={"types": types, "rows": done.rows.num_rows})
        _keep(tx, {source: mark for source, mark in done.marks.items() if source not in known}, NEW_MARK, NEW_MARKS)
        _keep(tx, {source: mark for source, mark in done.marks.items() if source in known}, MOVE_MARK, MOVE_MARKS)
        return done

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


def _keep(tx: Tx, marks: dict[str, Mark], one: str, many: str) -> None:
    """Keep the marks of a group: a statement for all of them, and for one a plainer one, which takes half the time."""
    if not marks:
        return
    columns: dict[str, list[Any]] = {
        "source": list(marks),
        "boot": [boot for boot, _ in marks.values()],
        "sequence": [sequence for _, sequence in marks.values()],
    }
    seen = {"seen": naive(tx.now)}
    if len(marks) == 1:
        tx.cur.execute(one, {name: values[0] for name, values in columns.items()} | seen)
    else:
        tx.cur.execute(many, columns | seen)
