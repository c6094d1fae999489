"""
The open file and the cursors on it, each lent to one thread at a time.

DuckDB gives a database up after some failures ("invalidated"): nothing works until its last connection is gone and it
is opened anew. An Arrow stream that somebody has not read to its end is such a connection: so whoever lends a cursor
for a stream leaves a `let_go` that closes it from another thread.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import duckdb

from ckkit.errors import Refused, StoreError
from ckkit.store.faults import first_line

PATIENCE_S = 5.0  # for lent cursors to come back before they are closed under their borrowers


class Pool:
    """`cursor()` from any thread; `reopen()` from the writer's; `close()` ends it."""

    def __init__(self, connect: Callable[[], Any], let_go: Callable[[str], None]) -> None:
        """`connect` opens the file; `let_go(why)` makes readers give their cursors back."""
        self._connect, self._let_go = connect, let_go
        self._changed = threading.Condition()
        self._free: list[Any] = []
        self._lent: dict[int, Any] = {}
        self._opening = False
        self._why_not = ""
        self._con: Any = connect()

    @contextlib.contextmanager
    def cursor(self) -> Iterator[Any]:
        """Lend a cursor. One that failed is not lent again. Raises StoreError while the file cannot be opened."""
        cur = self._take()
        usable = False
        try:
            yield cur
            usable = True
        except (GeneratorExit, Refused):  # whoever read has seen enough, or nothing was tried
            usable = True
            raise
        finally:
            self._give_back(cur, usable=usable)

    def own(self) -> Any:
        """Return a cursor that is not lent: the writer's. Closing it is the writer's too."""
        with self._changed:
            return self._open().cursor()

    def disown(self, cur: Any) -> None:
        """Close a lent cursor that its borrower does not use just now; it is not waited for any more."""
        with self._changed:
            if self._lent.pop(id(cur), None) is not None:
                _close(cur)
                self._changed.notify_all()

    def reopen(self) -> None:
        """Close everything and open the file again; new borrowers wait. Raises what opening raises."""
        with self._changed:
            self._opening = True
        try:
            self._empty("the store is opened again after a failure")
            with self._changed:
                self._con = self._connect()
        except (StoreError, duckdb.Error) as error:
            self._why_not = first_line(error)
            raise
        finally:
            with self._changed:
                self._opening = False
                self._changed.notify_all()

    def close(self) -> None:
        """Close everything, for good."""
        self._empty("it was closed")

    def _take(self) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: not self._opening)
            con = self._open()
            cur = self._free.pop() if self._free else con.cursor()
            self._lent[id(cur)] = cur
            return cur

    def _give_back(self, cur: Any, *, usable: bool) -> None:
        with self._changed:
            ours = self._lent.pop(id(cur), None) is not None
            if ours and usable:
                self._free.append(cur)
            else:
                _close(cur)
            self._changed.notify_all()

    def _open(self) -> Any:
        if self._con is None:
            raise StoreError(f"the store is not open: {self._why_not}")
        return self._con

    def _empty(self, why: str) -> None:
        """Close every cursor and the connection; those that are in use are waited for a while."""
        with self._changed:
            con, self._con, self._why_not = self._con, None, why
        self._let_go(why)  # without our lock: who lets go takes a lock of his own first, and then ours
        with self._changed:
            self._changed.wait_for(lambda: not self._lent, timeout=PATIENCE_S)
            for cur in (*self._free, *self._lent.values()):
                _close(cur)
            self._free.clear()
            self._lent.clear()
            if con is not None:
                _close(con)


def _close(con: Any) -> None:
    with contextlib.suppress(duckdb.Error):
        con.close()
