"""What DuckDB raises, as our errors. Messages of a user's SQL stay DuckDB's own: they name the place in the text."""

import re

import duckdb

from ckkit.errors import Cancelled, CkkitError, SqlError, StoreError, StoreFull

_FULL = re.compile(r"No space left|disk quota|Disk quota|could not write .* No space", re.IGNORECASE)


def is_full(error: BaseException) -> bool:
    """Say whether the disk had no room."""
    return _FULL.search(str(error)) is not None


def is_invalidated(error: BaseException) -> bool:
    """Say whether the database has to be reopened before anything works again."""
    return "invalidated" in str(error)


def of_write(error: BaseException) -> CkkitError:
    """Return what a failed write means to whoever asked for it: nothing of it is there."""
    if isinstance(error, CkkitError):
        return error
    if is_full(error):
        return StoreFull(
            "the disk of the store is full: nothing of this was stored. Free some space, and it is taken again",
        )
    return StoreError(f"the store could not write: {_first_line(error)}")


def of_read(error: BaseException) -> CkkitError:
    """Return what a failed query means to whoever wrote it."""
    if isinstance(error, CkkitError):
        return error
    if isinstance(error, duckdb.InterruptException):
        return Cancelled("the query was cancelled")
    if isinstance(error, duckdb.OutOfMemoryException):
        return SqlError(f"the query needs more memory than queries have; ask for less at once: {_first_line(error)}")
    return SqlError(str(error), kind=type(error).__name__)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:500]
