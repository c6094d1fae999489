"""
One read on its way out: SQL in, Arrow out, in pieces that a thread of the pool makes and the server's loop sends.

What fits into two batches is one answer with its length; more is sent as it comes, no faster than it is taken. An error
after the first piece is an empty batch whose metadata holds it, then a proper end of the stream.
"""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pyarrow as pa

from ckkit.errors import CkkitError
from ckkit.wire.request import Ask

AT_ONCE = 2  # batches


class Stoppable(Protocol):
    def stop(self, why: str) -> None: ...


class Store(Protocol):
    def read(
        self, sql: str, params: Any = None, *, limit_s: float | None = None, job: Callable[[Any], None] | None = None
    ) -> Iterator[Any]: ...


class Sink:
    """A file that Arrow writes into; `take` hands over what has come since."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        return len(part)

    def flush(self) -> None:
        return None

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


class Answer:
    """
    The answer to one ask. `first` and `more` block, and are called one after the other; `stop` is for any thread.

    `error` is the code of what went wrong after the first piece.
    """

    def __init__(self, store: Store, ask: Ask, limit_s: float) -> None:
        self.error = ""
        self._store, self._ask = store, ask
        self._limit_s = min(limit_s, ask.patience_s) if ask.patience_s and ask.patience_s > 0 else limit_s
        self._sink = Sink()
        self._rows: Iterator[Any] = iter(())
        self._schema: Any = None
        self._writer: Any = None
        self._job: Stoppable | None = None
        self._why = ""
        self._step, self._flag = threading.Lock(), threading.Lock()

    def first(self) -> tuple[bytes, bool]:
        """Return the first piece, and whether it is all. Raises CkkitError; nothing was sent then."""
        with self._step:
            self._rows = self._store.read(self._ask.sql, self._ask.params, limit_s=self._limit_s, job=self._began)
            try:
                self._schema = next(self._rows)
                self._writer = pa.ipc.new_stream(pa.PythonFile(self._sink, "w"), self._schema)
                return self._pieces(AT_ONCE)
            except BaseException:
                self._end()
                raise

    def more(self) -> tuple[bytes, bool]:
        """Return the next piece, and whether it is the last."""
        with self._step:
            try:
                return self._pieces(1)
            except CkkitError as error:
                self.error = error.code
                empty = pa.RecordBatch.from_pylist([], schema=self._schema)
                self._writer.write_batch(empty, custom_metadata={"error": json.dumps(error.to_wire(), default=str)})
                return self._last()
            except BaseException:
                self._end()
                raise

    def stop(self, why: str) -> None:
        """End the query, if it runs or begins to."""
        with self._flag:
            self._why = why
            job = self._job
        if job is not None:
            job.stop(why)

    def close(self) -> None:
        """Give everything back; waits for the piece that is under way."""
        with self._step:
            self._end()

    def _began(self, job: Stoppable) -> None:
        with self._flag:
            self._job = job
            why = self._why
        if why:
            job.stop(why)

    def _pieces(self, count: int) -> tuple[bytes, bool]:
        for _ in range(count):
            batch = next(self._rows, None)
            if batch is None:
                return self._last()
            self._writer.write_batch(batch)
        return self._sink.take(), False

    def _last(self) -> tuple[bytes, bool]:
        self._writer.close()
        self._end()
        return self._sink.take(), True

    def _end(self) -> None:
        close = getattr(self._rows, "close", None)
        if close is not None:
            close()
