"""
The store: one DuckDB file, one writer, sandboxed readers.

    Store.open → file (lock, header) → migrations → seal → writer, jobs
    append, results, write  → the writer's thread, answered after the commit
    query                   → ours, trusted, read only
    read                    → people's SQL, in the sandbox
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from ckkit.errors import Invalid
from ckkit.model import Event, Receipt, Result
from ckkit.store import file, migrations, outbox, sandbox
from ckkit.store.faults import is_invalidated, of_read, of_write
from ckkit.store.inventory import Inventory
from ckkit.store.times import utcnow
from ckkit.store.writer import Append, Tx, Writer

T = TypeVar("T")

MEMORY_LIMIT = "256MB"
CLOSE_PATIENCE_S = 5.0  # for readers that were stopped to let go


class Store:
    """Made by `Store.open`; safe to use from several threads; `close` it."""

    def __init__(
        self,
        path: Path,
        lock: file.Lock,
        connect: Callable[[], Any],
        clock: Callable[[], datetime],
        read_limit_s: float,
    ) -> None:
        self.path, self.read_limit_s = path, read_limit_s
        self._lock, self._reconnect = lock, connect
        self._con = connect()
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lent, self._returned = 0, threading.Condition()
        self._jobs = sandbox.Jobs()
        self._writer = Writer(self._cursor_of_the_writer, clock)
        self._writer.start()
        self.inventory = Inventory(self, lambda: self._writer.catalogue)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Callable[[], datetime] = utcnow,
        threads: int = 2,
        memory_limit: str | None = None,
        read_limit_s: float = 30.0,
        backups: Path | None = None,
    ) -> "Store":
        """
        Open the store at `path`, or make it; an older one is copied to `backups` and brought up to date.

        Raises:
            StoreLocked: another process has it.
            StoreDamaged: it is truncated, or no store; left as it is, the copies named.
            StoreNewer: a newer ckkit wrote it; left as it is.
            StoreFull: there is no room to make it.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = file.Lock(path)

        def connect() -> Any:
            return file.connect(path, threads=threads, memory_limit=memory_limit or MEMORY_LIMIT, backups=backups)

        def sealed() -> Any:
            con = connect()
            file.seal(con)
            return con

        try:
            _migrate(path, connect, backups, clock())
            return cls(path, lock, sealed, clock, read_limit_s)
        except BaseException as error:
            lock.release()
            if isinstance(error, duckdb.Error):
                raise of_write(error) from None
            raise

    def close(self) -> None:
        """Finish what waits to be written, stop the readers, close the file and give its lock back."""
        self._jobs.close()
        with self._returned:
            self._returned.wait_for(lambda: self._lent == 0, timeout=CLOSE_PATIENCE_S)
        self._writer.stop()
        with contextlib.suppress(queue.Empty):
            while True:
                self._free.get_nowait().close()
        self._con.close()
        self._lock.release()

    # -- writing -------------------------------------------------------------------------------------------------

    def append(self, table: str, data: pa.Table, *, source: str, boot: str, sequence: int) -> Receipt:
        """
        Add results (see `store/results.py` for their layout); returns after the commit.

        Raises:
            Invalid: another table, a bad layout, a check that does not exist; nothing of the batch is stored.
            StoreFull, StoreError: not stored; the same sequence may be sent again.
        """
        if table != "results":
            raise Invalid(f"nothing can be appended to {table!r}: there is `results`")
        return self._writer.append(Append(source, boot, sequence, tables=(data,)))

    def results(self, results: Sequence[Result], *, source: str, boot: str, sequence: int) -> Receipt:
        """Add results of several check types at once; otherwise as `append`."""
        return self._writer.append(Append(source, boot, sequence, records=tuple(results)))

    def write(self, fn: Callable[[Tx], T]) -> T:
        """
        Run `fn` in a transaction of its own, in the writer's thread; returns what it returns, after the commit.

        Raises whatever `fn` raises (then nothing is stored), StoreFull or StoreError.
        """
        return self._writer.write(fn)

    def on_commit(self, callback: Callable[[list[Event]], None]) -> None:
        """Have the events of each commit told, in the order of `seq`, from the writer's thread."""
        self._writer.on_commit.append(callback)

    def on_results(self, callback: Callable[[pa.Table], None]) -> None:
        """Have the rows of each append told after their commit, as `results` has them, from the writer's thread."""
        self._writer.on_results.append(callback)

    # -- reading -------------------------------------------------------------------------------------------------

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """Return the rows of one of our own statements."""
        with self._cursor() as cur:
            try:
                return cur.sql(sql, params=dict(params) if params else None).to_arrow_table()
            except duckdb.Error as error:
                raise of_read(error) from None

    def read(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        *,
        limit_s: float | None = None,
        job: Callable[[sandbox.Job], None] | None = None,
    ) -> Iterator[Any]:
        """
        Yield the schema, then the record batches of one SELECT that somebody wrote. See `store/sandbox.py`.

        `job` is told the running query, so that it can be stopped from another thread. Close the iterator when done.
        """
        with self._cursor() as cur:
            yield from sandbox.read(cur, self._jobs, sql, params, limit_s or self.read_limit_s, job)

    def events(self, since: int, topics: Sequence[str] = (), most: int = 10_000) -> list[Event]:
        """Return the events after the sequence `since`, oldest first."""
        return outbox.since(self.query, since, topics, most)

    def last_seq(self) -> int:
        """Return the sequence of the newest event."""
        return outbox.last(self.query)

    @property
    def running(self) -> int:
        """How many queries of people run now."""
        return len(self._jobs)

    def bytes(self) -> int:
        """Return the size of the file with its journal."""
        journal = self.path.with_name(self.path.name + ".wal")
        return self.path.stat().st_size + (journal.stat().st_size if journal.exists() else 0)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        """Lend a cursor. One that failed is not lent again: it may belong to a database that was invalidated."""
        try:
            cur = self._free.get_nowait()
        except queue.Empty:
            cur = self._con.cursor()
        with self._returned:
            self._lent += 1
        try:
            yield cur
        except GeneratorExit:  # whoever read has seen enough
            self._free.put(cur)
            raise
        except BaseException:
            cur.close()
            raise
        else:
            self._free.put(cur)
        finally:
            with self._returned:
                self._lent -= 1
                self._returned.notify_all()

    def _cursor_of_the_writer(self) -> Any:
        """A cursor of the store; after an invalidation, of the store opened again."""
        try:
            cur = self._con.cursor()
            cur.execute("select 1 from migrations limit 1")
        except duckdb.Error as error:
            if not is_invalidated(error):
                raise
            self._con.close()
            self._drop_cursors()
            self._con = self._reconnect()
            cur = self._con.cursor()
        return cur

    def _drop_cursors(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._free.get_nowait().close()


def _migrate(path: Path, connect: Callable[[], Any], backups: Path | None, now: datetime) -> None:
    existed = path.exists()
    con = connect()
    try:
        todo = migrations.pending(migrations.applied(con), path)
        if todo and existed:
            con.close()
            if backups is not None:
                migrations.copy_first(path, backups, now)
            con = connect()
        migrations.run(con, todo, now)
    finally:
        con.close()
