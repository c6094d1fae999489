"""
Opening the store's file: locked, damaged, newer and new told apart, and left untouched where it cannot be used.

The lock is `flock` on a file beside it, taken before DuckDB sees the store, and holds the owner's pid. 64 KiB blocks
make the file a third smaller than DuckDB's 256; the storage version is one that DuckDB 1.5 can open too.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from ckkit.errors import StoreDamaged, StoreFull, StoreLocked
from ckkit.store.faults import is_full

BLOCK_SIZE = 65536
STORAGE_VERSION = "v1.5.0"
HEADER = 3 * 4096  # bytes before the first block: the main header and two database headers
MAGIC = b"DUCK"  # at byte 8 of a DuckDB file


class Lock:
    """The right to the store's file; held until `release`, or until the process ends."""

    def __init__(self, path: Path) -> None:
        """Take it. Raises StoreLocked, naming the owner."""
        self._path = path.with_name(path.name + ".lock")
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise StoreLocked(
                f"the store {path} is open in process {owner}: one hub owns it. Stop that one with `ckkit down`, "
                "or set CKKIT_HOME to another home",
                pid=owner,
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._file)


def connect(path: Path, *, threads: int, memory_limit: str, backups: Path | None) -> duckdb.DuckDBPyConnection:
    """
    Open the file, or make it.

    Raises:
        StoreDamaged: no DuckDB file, or shorter than it says; the copies in `backups` are named.
        StoreLocked: a process that does not know our lock has it open.
        StoreFull: there was no room to make or to recover it.
    """
    if path.exists():
        _look_like_a_store(path, backups)
    config: dict[str, Any] = {
        "threads": threads,
        "memory_limit": memory_limit,
        "default_block_size": BLOCK_SIZE,
        "storage_compatibility_version": STORAGE_VERSION,
        "temp_directory": str(path.parent / "tmp"),
        "preserve_insertion_order": False,
    }
    try:
        con = duckdb.connect(str(path), config=config)
    except duckdb.Error as error:
        raise _why_not(error, path, backups) from None
    con.execute("set global TimeZone = 'UTC'")  # or an aware parameter would be taken to the zone of the machine
    size, blocks, block = path.stat().st_size, *_blocks(con)
    if size < HEADER + blocks * block:
        con.close()
        raise _damaged(path, f"it is {size} bytes long and should have {HEADER + blocks * block}", backups)
    return con


def seal(con: duckdb.DuckDBPyConnection) -> None:
    """Take away what SQL must never do from here on: files, networks, extensions, settings."""
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")


def _look_like_a_store(path: Path, backups: Path | None) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise StoreDamaged(f"the store {path} cannot be read: {error.strerror}") from None
    if len(head) < 12 or head[8:12] != MAGIC:
        raise _damaged(path, "it is no DuckDB file", backups)


def _blocks(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    row = con.execute("select total_blocks, block_size from pragma_database_size()").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _why_not(error: duckdb.Error, path: Path, backups: Path | None) -> Exception:
    text = str(error)
    if "lock on file" in text:
        return StoreLocked(f"the store {path} is open in a process that is no hub: {text.splitlines()[0]}")
    if is_full(error):
        return StoreFull(f"no room to open the store {path}: free some space on its disk")
    return _damaged(path, text.splitlines()[0], backups)


def _damaged(path: Path, why: str, backups: Path | None) -> StoreDamaged:
    copies = sorted(copies_in(backups), key=lambda p: p.stat().st_mtime, reverse=True)
    if copies:
        way_out = f"the newest copy is {copies[0]}: move the store aside and copy that one to its place"
    else:
        way_out = "there is no copy of it: move it aside, and a new one is made"
    return StoreDamaged(
        f"the store {path} is damaged and left as it is: {why}; {way_out}", copies=[str(c) for c in copies]
    )


def copies_in(backups: Path | None) -> Iterator[Path]:
    """Yield the copies of the store in a folder."""
    if backups is not None and backups.is_dir():
        yield from backups.glob("*.duckdb")
