"""
The store: one DuckDB file, one writer, sandboxed readers.

    Store.open → file (lock, header) → migrations → seal → pool → writer, jobs
    append, results, write  → the writer's thread, answered after the commit
    query                   → ours, trusted, read only
    read                    → people's SQL, in the sandbox
"""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from ckkit.errors import Invalid
from ckkit.model import Event, Receipt, Result
from ckkit.store import file, migrations, outbox, sandbox
from ckkit.store.faults import Invalidated, of_read, of_write
from ckkit.store.inventory import Inventory
from ckkit.store.pool import Pool
from ckkit.store.times import utcnow
from ckkit.store.transaction import Transactions, Tx
from ckkit.store.writer import Append, Writer

T = TypeVar("T")

MEMORY_LIMIT = "256MB"


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
        self._lock = lock
        self._jobs = sandbox.Jobs()
        try:
            self._pool = Pool(connect, self._jobs.stop_all)
            self._writer = Writer(Transactions(self._pool, clock, self._jobs.stop_all))
        except BaseException:
            self._jobs.close()
            raise
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
        Open the store at `path`, or make it. An older one is brought up to date, after a copy of it was made in
        `backups` (where none is given: in the folder `backups` beside it).

        Raises:
            StoreLocked: another process has it.
            StoreDamaged: it is truncated, or no store; left as it is, the copies named.
            StoreNewer: a newer ckkit wrote it; left as it is.
            StoreFull: there is no room to make it, or to copy it.
            StoreError: its folder cannot be used.
        """
        with file.plain_words(path):
            real = file.made_ready(path)
            lock = file.Lock(real)
        backups = backups or real.parent / "backups"

        def connect(path: Path) -> Any:
            return file.connect(path, threads=threads, memory_limit=memory_limit or MEMORY_LIMIT, backups=backups)

        def sealed() -> Any:
            con = connect(real)
            file.seal(con)
            return con

        try:
            with file.plain_words(real):
                migrations.bring_up_to_date(real, connect, backups, clock())
                return cls(path, lock, sealed, clock, read_limit_s)
        except duckdb.Error as error:
            lock.release()
            raise of_write(error) from None
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Stop the readers, finish what waits to be written, close the file and give its lock back. Once is enough."""
        self._jobs.close()
        self._writer.stop()
        self._pool.close()
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
        """
        Return the rows of one of our own statements, which reads: writing is the writer's.

        Raises SqlError where it cannot be read or done, StoreError while the file cannot be opened.
        """
        try:
            return self._queried(sql, params)
        except Invalidated:
            self._heal()
            return self._queried(sql, params)

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
        rows = self._read(sql, params, limit_s, job)
        try:
            schema = next(rows)
        except Invalidated:
            self._heal()
            rows = self._read(sql, params, limit_s, job)
            schema = next(rows)
        with contextlib.closing(rows):
            yield schema
            yield from rows

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
        journal = file.journal_of(self.path)
        return self.path.stat().st_size + (journal.stat().st_size if journal.exists() else 0)

    def _queried(self, sql: str, params: Mapping[str, Any] | None) -> pa.Table:
        with self._pool.cursor() as cur:
            try:
                cur.execute("begin transaction read only")
                found = cur.sql(sql, params=dict(params) if params else None).to_arrow_table()
                cur.execute("rollback")
                return found
            except duckdb.Error as error:
                raise of_read(error) from None

    def _read(
        self,
        sql: str,
        params: Mapping[str, Any] | None,
        limit_s: float | None,
        job: Callable[[sandbox.Job], None] | None,
    ) -> Generator[Any, None, None]:
        with self._pool.cursor() as cur:
            asked = sandbox.Job(cur, limit_s or self.read_limit_s, self._jobs, self._pool.disown)
            yield from sandbox.read(asked, sql, params, job)

    def _heal(self) -> None:
        """Have the file opened again, after a reader found that DuckDB gave it up."""
        if not self._writer.is_here:  # there, the next write does it
            self._writer.write(lambda tx: None)
