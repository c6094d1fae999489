"""
SQL that people write: read only, one statement, within a time.

Two layers, and each stops what the other lets pass: the statement must be of the type SELECT or EXPLAIN (CHECKPOINT,
VACUUM and CREATE TEMP pass a read-only transaction), and it runs in a read-only transaction (an INSERT within a WITH is
of the type SELECT). Files, networks and settings are sealed for the whole database when it is opened.

A job is interrupted under the lock that guards the table of running jobs, and leaves that table before its cursor goes
back: so an interrupt never hits the cursor's next user.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from ckkit.errors import CkkitError, Refused, TimedOut
from ckkit.store.faults import of_read

ALLOWED = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
BATCH_ROWS = 65536
WATCH_S = 0.05


class Job:
    """One running query: who may stop it, and why it was stopped."""

    def __init__(self, cur: Any, limit_s: float, jobs: "Jobs") -> None:
        self.cur, self.limit_s, self._jobs = cur, limit_s, jobs
        self.deadline = time.monotonic() + limit_s
        self.why = ""

    def stop(self, why: str) -> None:
        """End it, if it still runs."""
        self._jobs.stop(self, why)


class Jobs:
    """The running queries, and the thread that looks at their deadlines."""

    def __init__(self) -> None:
        self._running: set[Job] = set()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ckkit-store-watchdog", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._running)

    def add(self, job: Job) -> None:
        with self._lock:
            self._running.add(job)

    def remove(self, job: Job) -> None:
        with self._lock:
            self._running.discard(job)

    def stop(self, job: Job, why: str) -> None:
        with self._lock:
            if job in self._running:
                self._interrupt(job, why)

    def close(self) -> None:
        """Stop every query and the thread."""
        self._end.set()
        with self._lock:
            for job in self._running:
                self._interrupt(job, "the hub stops")
        self._thread.join()

    @staticmethod
    def _interrupt(job: Job, why: str) -> None:
        job.why = job.why or why
        job.cur.interrupt()

    def _watch(self) -> None:
        while not self._end.wait(WATCH_S):
            now = time.monotonic()
            with self._lock:
                for job in self._running:
                    if now > job.deadline:
                        self._interrupt(job, "timeout")


def read(
    cur: Any, jobs: Jobs, sql: str, params: Mapping[str, Any] | None, limit_s: float, told: Callable[[Job], None] | None
) -> Iterator[Any]:
    """
    Yield the schema of the answer, then its record batches.

    Raises:
        Refused: not one SELECT or EXPLAIN.
        SqlError: DuckDB cannot read or do it; its message.
        TimedOut, Cancelled: it was stopped.
    """
    job = Job(cur, limit_s, jobs)
    try:
        statement = _only_one(cur, sql)
        cur.execute("begin transaction read only")
        jobs.add(job)
        try:
            if told is not None:
                told(job)
            yield from _batches(cur, statement, params)
        finally:
            jobs.remove(job)
            cur.execute("rollback")
    except CkkitError:
        raise
    except (duckdb.Error, OSError, pa.ArrowException) as error:
        raise _why(error, job) from None


def _batches(cur: Any, statement: Any, params: Mapping[str, Any] | None) -> Iterator[Any]:
    relation = cur.sql(statement, params=dict(params)) if params else cur.sql(statement)
    if relation is None:
        raise Refused("this statement gives no rows: write a SELECT")
    reader = relation.to_arrow_reader(BATCH_ROWS)
    yield reader.schema
    yield from reader


def _only_one(cur: Any, sql: str) -> Any:
    statements = cur.extract_statements(sql)
    if len(statements) != 1:
        raise Refused(f"one statement at a time, here are {len(statements)}: send them one by one")
    if statements[0].type not in ALLOWED:
        kind = statements[0].type.name
        raise Refused(
            f"SQL here only reads, this is {kind}: write a SELECT; what changes something is a command of the kit"
        )
    return statements[0]


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
