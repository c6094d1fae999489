"""
The store's shape over time. A migration is a function, recorded with its name in the transaction that ran it.

Append to MIGRATIONS, never change what is in it. A file that has names which are not here was written by a newer ckkit.
"""

import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from ckkit.errors import StoreDamaged, StoreNewer
from ckkit.store import alert_tables, file, outbox, tables
from ckkit.store.times import naive

Migration = tuple[str, Callable[[Any], None]]

MIGRATIONS: tuple[Migration, ...] = (
    ("results, inventory, events, runs", tables.create),
    ("alerts", alert_tables.create),
    ("the last number of an event", outbox.create),
)


def applied(con: Any, path: Path) -> list[str]:
    """
    Return the names of the migrations that a file has had, in order; none where it is new.

    Raises:
        StoreDamaged: it is somebody else's database.
    """
    tables = {row[0] for row in con.execute("select table_name from duckdb_tables()").fetchall()}
    if tables and "migrations" not in tables:
        raise StoreDamaged(
            f"the file {path} is a DuckDB file, but no store of ckkit, and left as it is (it has the table "
            f"{min(tables)!r}): move it aside, or set CKKIT_HOME to another home"
        )
    return [row[0] for row in con.execute("select name from migrations order by version").fetchall()] if tables else []


def pending(have: list[str], path: Path) -> list[tuple[int, Migration]]:
    """
    Return what is still to run, with version numbers from 1.

    Raises:
        StoreNewer: the file has had a migration that is not known here.
    """
    known = [name for name, _ in MIGRATIONS]
    if have != known[: len(have)]:
        strange = [name for name in have if name not in known] or have
        raise StoreNewer(
            f"the store {path} was written by a newer ckkit (it has had {strange[-1]!r}): upgrade with "
            "`git pull && ./ck up`, or set CKKIT_HOME to another home. It is left as it is"
        )
    return list(enumerate(MIGRATIONS, 1))[len(have) :]


def bring_up_to_date(path: Path, connect: Callable[[Path], Any], backups: Path, now: datetime) -> None:
    """
    Make the file at `path`, or run what it has not had, after a copy of it was made in `backups`.

    A new file is made beside its place and then moved there: whoever dies over it leaves no half of a store.

    Raises:
        StoreDamaged, StoreNewer, StoreLocked: what is there cannot be used; left as it is.
    """
    if not path.exists():
        _make(path, connect, now)
        return
    have = file.look(path, backups, lambda con: applied(con, path))
    todo = pending(have, path)
    if todo:
        if have:
            copy_first(path, backups, now)
        _run(connect(path), todo, now)


def _make(path: Path, connect: Callable[[Path], Any], now: datetime) -> None:
    journal = file.journal_of(path)
    if journal.exists():  # of a store that is gone: not ours to throw away
        journal.replace(_free_name(journal.with_name(journal.name + ".orphan")))
    part = path.with_name(f"{path.stem}.new")
    for left_over in (part, file.journal_of(part)):
        left_over.unlink(missing_ok=True)
    _run(connect(part), pending([], path), now)
    part.replace(path)


def _run(con: Any, todo: list[tuple[int, Migration]], now: datetime) -> None:
    """Run each in a transaction of its own, and close the file."""
    try:
        for version, (name, change) in todo:
            con.execute("begin")
            con.execute("create table if not exists migrations (version usmallint, name varchar, ran timestamp_ms)")
            change(con)
            con.execute("insert into migrations values ($v, $n, $t)", {"v": version, "n": name, "t": naive(now)})
            con.execute("commit")
    finally:
        con.close()  # what was begun and not committed is undone


def copy_first(path: Path, backups: Path, now: datetime) -> Path:
    """
    Copy a store that nobody has open, with what is still in its journal, before it is changed; return the copy's path.

    The journal comes first: a copy without its journal would be an older store than it looks.
    """
    copy = _free_name(backups / f"{path.stem}-before-{now:%Y%m%dT%H%M%SZ}.duckdb")
    backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal = file.journal_of(path)
    if journal.exists():
        _copied(journal, file.journal_of(copy))
    return _copied(path, copy)


def _copied(source: Path, target: Path) -> Path:
    """Copy a file so that its name is there when all of it is."""
    part = target.with_name(target.name + ".part")
    try:
        shutil.copyfile(source, part)
        with part.open("rb") as done:
            os.fsync(done.fileno())
        return part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.stem}{suffix}{path.suffix}") for suffix in ("", *(f"-{n}" for n in range(2, 100))))
    return next((name for name in names if not name.exists()), path)
