"""
Opening the store's file: locked, damaged, newer and new told apart, and left untouched where it cannot be used.

The lock is `flock` on a file beside it, taken before DuckDB sees the store, and holds the owner's pid. A file that is
there already is looked at read-only first, since opening one for writing folds its journal into it. 64 KiB blocks make
it a third smaller than DuckDB's 256; the storage version is one that DuckDB 1.5 can open too.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from ckkit.errors import Invalid, StoreDamaged, StoreError, StoreFull, StoreLocked, StoreNewer
from ckkit.store.faults import first_line, is_full

BLOCK_SIZE = 65536
STORAGE_VERSION = "v1.5.0"
CHECKPOINT = "16MB"  # of journal, before DuckDB folds it into the file
HEADER = 3 * 4096  # bytes before the first block: the main header and two database headers
MAGIC = b"DUCK"  # at byte 8 of a DuckDB file
SCHEMAS = ("checks", "main", "pg_catalog", "information_schema")  # a file of such a name would hide it


class Lock:
    """The right to the store's file; held until `release`, or until the process ends."""

    def __init__(self, path: Path) -> None:
        """Take it. Raises StoreLocked, naming the owner."""
        self._path = path.with_name(path.name + ".lock")
        self._file: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "unknown"
            self.release()
            raise StoreLocked(
                f"the store {path} is open in process {owner}: one hub owns it. Stop that one with `ckkit down`, "
                "or set CKKIT_HOME to another home",
                pid=owner,
            ) from None
        with contextlib.suppress(OSError):  # on a full disk the owner stays unnamed
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give it back; harmless when it is."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


@contextlib.contextmanager
def plain_words(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into an error that says what to do about it."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise StoreFull(f"no room for the store {path}: free some space on its disk") from None
        where = error.filename or path
        raise StoreError(
            f"the store {path} cannot be opened: {where}: {error.strerror}. Its folder must be one that this user "
            "can write to; CKKIT_HOME says where it is"
        ) from None


def made_ready(path: Path) -> Path:
    """Return where the file really is, and make its folder. Raises Invalid, StoreError."""
    real = path.resolve()
    if real.stem in SCHEMAS:
        raise Invalid(f"a store cannot be named {real.name}: `{real.stem}` names a part of it in SQL. Rename the file")
    real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return real


def look(path: Path, backups: Path | None, read: Callable[[Any], list[str]]) -> list[str]:
    """
    Return what `read` finds in a file that is there, without changing a byte of it.

    Raises:
        StoreDamaged: no DuckDB file, or shorter than it says; the copies in `backups` are named.
        StoreNewer: a newer DuckDB wrote it.
        StoreLocked: a process that does not know our lock has it open.
    """
    _must_look_like_a_store(path, backups)
    try:
        con = duckdb.connect(str(path), read_only=True)
        try:
            size, least = path.stat().st_size, HEADER + _bytes_in_use(con)
            if size < least:
                raise _damaged(path, f"it is {size} bytes long and should have {least} at least", backups)
            return read(con)
        finally:
            con.close()
    except duckdb.Error as error:
        raise _why_not(error, path, backups) from None


def connect(path: Path, *, threads: int, memory_limit: str, backups: Path | None) -> duckdb.DuckDBPyConnection:
    """Open the file for writing, or make it. Raises StoreDamaged, StoreLocked, StoreFull."""
    config: dict[str, Any] = {
        "threads": threads,
        "memory_limit": memory_limit,
        "default_block_size": BLOCK_SIZE,
        "storage_compatibility_version": STORAGE_VERSION,
        "checkpoint_threshold": CHECKPOINT,
        "temp_directory": str(path.parent / "tmp"),
        "preserve_insertion_order": False,
    }
    try:
        con = duckdb.connect(str(path), config=config)
        con.execute("set global TimeZone = 'UTC'")  # or an aware parameter would be taken to the zone of the machine
    except duckdb.Error as error:
        raise _why_not(error, path, backups) from None
    return con


def seal(con: duckdb.DuckDBPyConnection) -> None:
    """Take away what SQL must never do from here on: files, networks, extensions, settings, variables of Python."""
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")


def journal_of(path: Path) -> Path:
    """Return where DuckDB keeps what is not yet in the file."""
    return path.with_name(path.name + ".wal")


def copies_in(backups: Path | None) -> list[Path]:
    """Return the copies of the store in a folder, the newest first."""
    found = backups.glob("*.duckdb") if backups is not None and backups.is_dir() else ()
    return sorted(found, key=lambda copy: copy.stat().st_mtime, reverse=True)


def _must_look_like_a_store(path: Path, backups: Path | None) -> None:
    with path.open("rb") as file:
        head = file.read(16)
    if len(head) < 12 or head[8:12] != MAGIC:
        raise _damaged(path, "it is no DuckDB file", backups)


def _bytes_in_use(con: duckdb.DuckDBPyConnection) -> int:
    """
    The least that the blocks of a file take. Not all of its blocks: a checkpoint cuts free ones off the end of the file
    and goes on counting them. What is missing beyond that DuckDB itself finds by the checksums of its blocks.
    """
    row = con.execute("select used_blocks * block_size from pragma_database_size()").fetchone()
    return int(row[0]) if row else 0


def _why_not(error: duckdb.Error, path: Path, backups: Path | None) -> StoreError:
    text = first_line(error)
    if "lock on file" in text:
        return StoreLocked(f"the store {path} is open in a process that is no hub: {text}")
    if is_full(error):
        return StoreFull(f"no room to open the store {path}: free some space on its disk")
    if "created with a newer version" in str(error) or "storage version number" in text:
        return StoreNewer(f"the store {path} is of a newer DuckDB ({text}): upgrade with `git pull && ./ck up`")
    if "does not match" in str(error) and "WAL" in text:
        return StoreDamaged(
            f"the journal {journal_of(path)} belongs to another file than {path}, which is left as it is: move the "
            "journal aside"
        )
    return _damaged(path, text, backups)


def _damaged(path: Path, why: str, backups: Path | None) -> StoreDamaged:
    copies = copies_in(backups)
    if copies:
        way_out = f"the newest copy is {copies[0]}: move the store and its `.wal` aside, and copy that one to its place"
    else:
        way_out = "there is no copy of it: move it and its `.wal` aside, and a new one is made"
    return StoreDamaged(
        f"the store {path} is damaged and left as it is: {why}; {way_out}", copies=[str(copy) for copy in copies]
    )
