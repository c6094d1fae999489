"""
SQL that people write: read only, one statement, within a time.

Several layers, since each stops what another lets pass. The statement must be of the type SELECT, or EXPLAIN of one:
CHECKPOINT, VACUUM and CREATE TEMP pass a read-only transaction, and so does EXPLAIN ANALYZE of a COPY. It may call the
table functions that are listed in `store/reading.py`. It runs in a read-only transaction: an INSERT within a WITH is of
the type SELECT. Files, networks and settings are sealed for the whole database when it is opened.

A job is interrupted under the lock that guards the table of running jobs, and leaves that table before its cursor goes
back: so an interrupt never hits the cursor's next user. A reader that has stopped asking for rows is not interrupted
but let go: its stream and its transaction are closed, or they would keep the journal from being folded into the file.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from ckkit.errors import CkkitError, Refused, TimedOut
from ckkit.store.faults import of_read
from ckkit.store.reading import only_reads

BATCH_ROWS = 65536
CLOSE_S = 5.0  # for queries that were stopped to end
WATCH_S = 0.05


class Job:
    """One running query: who may stop it, and why it was stopped."""

    def __init__(self, cur: Any, limit_s: float, jobs: "Jobs", disown: Callable[[Any], None]) -> None:
        """`disown(cur)` takes the cursor away from who sleeps over an answer."""
        self.cur, self.limit_s, self.jobs, self._disown = cur, limit_s, jobs, disown
        self.deadline = time.monotonic() + limit_s
        self.why = ""
        self.step = threading.Lock()  # held while DuckDB works for this job
        self.rows: Any = None

    def stop(self, why: str) -> None:
        """End it, if it still runs."""
        self.jobs.stop(self, why)

    def halt(self, why: str) -> None:
        """Interrupt what DuckDB does for it, or close its stream where DuckDB waits to be asked."""
        self.why = self.why or why
        if self.step.acquire(blocking=False):
            try:
                self.finish()
                self._disown(self.cur)
            finally:
                self.step.release()
        else:
            with contextlib.suppress(duckdb.Error):
                self.cur.interrupt()

    def finish(self) -> None:
        """Close the stream and the transaction; harmless when they are. `step` is held."""
        rows, self.rows = self.rows, None
        if rows is not None:
            rows.close()
        for _ in range(2):  # an interrupt that came late hits the first
            with contextlib.suppress(duckdb.Error):  # there is none, or the connection is gone
                self.cur.execute("rollback")
                return


class Jobs:
    """The running queries, and the thread that looks at their deadlines."""

    def __init__(self) -> None:
        self._running: set[Job] = set()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._watch, name="ckkit-store-watchdog", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._running)

    def add(self, job: Job) -> None:
        with self._changed:
            self._running.add(job)
            self._changed.notify()

    def remove(self, job: Job) -> None:
        with self._changed:
            self._running.discard(job)
            self._changed.notify()

    def stop(self, job: Job, why: str) -> None:
        with self._changed:
            if job in self._running:
                job.halt(why)

    def stop_all(self, why: str) -> None:
        """Stop every query."""
        with self._changed:
            for job in self._running:
                job.halt(why)

    def close(self) -> None:
        """Stop every query and the thread. Once is enough."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self.stop_all("the hub stops")
        self._thread.join(CLOSE_S)

    def _watch(self) -> None:
        """Stop what is over its time; and again what was stopped: an interrupt before a query begins hits nothing."""
        with self._changed:
            while self._running or not self._ended:
                self._changed.wait(WATCH_S if self._running else None)
                now = time.monotonic()
                for job in self._running:
                    if job.why or now > job.deadline:
                        job.halt(job.why or "timeout")


def read(job: Job, sql: str, params: Mapping[str, Any] | None, told: Callable[[Job], None] | None) -> Iterator[Any]:
    """
    Yield the schema of the answer, then its record batches.

    Raises:
        Refused: not one SELECT or EXPLAIN, or it calls what may not be called.
        SqlError: DuckDB cannot read or do it; its message.
        TimedOut, Cancelled: it was stopped.
    """
    try:
        statement = only_reads(job.cur, sql)
        job.jobs.add(job)
        try:
            if told is not None:
                told(job)
            yield from _batches(job, statement, params)
        finally:
            job.jobs.remove(job)
            with job.step:
                job.finish()
    except CkkitError:
        raise
    except (duckdb.Error, OSError, MemoryError, pa.ArrowException, _Gone) as error:
        raise _why(error, job) from None


class _Gone(Exception):
    """The job was let go between two batches."""


def _batches(job: Job, statement: Any, params: Mapping[str, Any] | None) -> Iterator[Any]:
    with job.step:
        if job.why:
            raise _Gone
        job.cur.execute("begin transaction read only")
        relation = job.cur.sql(statement, params=dict(params)) if params else job.cur.sql(statement)
        if relation is None:
            raise Refused("this statement gives no rows: write a SELECT")
        job.rows = relation.to_arrow_reader(BATCH_ROWS)
        del relation  # or it would hold the connection while the rows are taken
        schema = job.rows.schema
    yield schema
    while True:
        with job.step:
            if job.rows is None:
                raise _Gone
            batch = next(job.rows, None)
        if batch is None:
            return
        yield batch


def _why(error: BaseException, job: Job) -> CkkitError:
    if job.why == "timeout":
        return TimedOut(
            f"the query ran longer than {job.limit_s:g} s and was cancelled: ask for less time or fewer nodes, or "
            "raise `read_limit` in ckkit.toml",
            limit_s=job.limit_s,
        )
    if job.why or "nterrupt" in str(error):
        return of_read(duckdb.InterruptException(job.why or "interrupted"))
    return of_read(error)
