"""What DuckDB raises, as our errors. Messages of a user's SQL stay DuckDB's own: they name the place in the text."""

import re

import duckdb

from ckkit.errors import Cancelled, CkkitError, SqlError, StoreDamaged, StoreError, StoreFull

_FULL = re.compile(r"No space left|disk quota", re.IGNORECASE)
_DAMAGED = re.compile(r"Corrupt database file|does not match stored checksum")


class Invalidated(StoreError):
    """DuckDB gave the database up: it has to be opened again before anything works."""


def is_full(error: BaseException) -> bool:
    """Say whether the disk had no room."""
    return _FULL.search(str(error)) is not None


def is_invalidated(error: BaseException) -> bool:
    """
    Say whether the database has to be opened again before anything works.

    >>> is_invalidated(duckdb.FatalException("… Reopen the database instance to recover. …"))
    True
    """
    return isinstance(error, (Invalidated, duckdb.FatalException)) or "database has been invalidated" in str(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether others held the memory (or the room for what does not fit into it) that this needed."""
    return isinstance(error, (duckdb.OutOfMemoryException, MemoryError))


def of_write(error: BaseException) -> CkkitError:
    """Return what a failed write means to whoever asked for it: nothing of it is there."""
    if isinstance(error, CkkitError):
        return error
    if is_full(error):
        return StoreFull(
            "the disk of the store is full: nothing of this was stored. Free some space, and it is taken again",
        )
    if _DAMAGED.search(str(error)):
        return _damaged(error)
    return StoreError(f"the store could not write, and nothing of this was stored: {first_line(error)}")


def of_read(error: BaseException) -> CkkitError:
    """Return what a failed query means to whoever wrote it."""
    if isinstance(error, CkkitError):
        return error
    if is_invalidated(error):
        return Invalidated(f"the store has to be opened again: {first_line(error)}")
    if isinstance(error, duckdb.InterruptException):
        return Cancelled("the query was cancelled")
    if is_out_of_memory(error):
        return SqlError(f"the query needs more memory than queries have; ask for less at once: {first_line(error)}")
    if _DAMAGED.search(str(error)):
        return _damaged(error)
    return SqlError(str(error), kind=type(error).__name__)


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:500]


def _damaged(error: BaseException) -> StoreDamaged:
    return StoreDamaged(
        f"a part of the store's file cannot be read, its disk may be failing: {first_line(error)}. Stop the hub, copy "
        "the home to another disk, and go on with the newest of its `backups`"
    )
