"""
The store's shape over time. A migration is a function, recorded with its name in the transaction that ran it.

Append to MIGRATIONS, never change what is in it. A file that has names which are not here was written by a newer ckkit.
"""

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from ckkit.errors import StoreNewer
from ckkit.store import alert_tables, tables
from ckkit.store.times import naive

Migration = tuple[str, Callable[[Any], None]]

MIGRATIONS: tuple[Migration, ...] = (
    ("results, inventory, events, runs", tables.create),
    ("alerts", alert_tables.create),
)


def applied(con: Any) -> list[str]:
    """Return the names of the migrations that a file has had, in order; none where it is new."""
    known = con.execute("select 1 from duckdb_tables() where table_name = 'migrations'").fetchone()
    return [row[0] for row in con.execute("select name from migrations order by version").fetchall()] if known else []


def pending(have: list[str], path: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> list[tuple[int, Migration]]:
    """
    Return what is still to run, with version numbers from 1.

    Raises:
        StoreNewer: the file has had a migration that is not known here.
    """
    known = [name for name, _ in migrations]
    if have != known[: len(have)]:
        strange = [name for name in have if name not in known] or have
        raise StoreNewer(
            f"the store {path} was written by a newer ckkit (it has had {strange[-1]!r}): upgrade with "
            "`git pull && ./ck up`, or set CKKIT_HOME to another home. It is left as it is"
        )
    return list(enumerate(migrations, 1))[len(have) :]


def run(con: Any, todo: list[tuple[int, Migration]], now: datetime) -> None:
    """Run each in a transaction of its own."""
    for version, (name, change) in todo:
        con.execute("begin")
        try:
            con.execute("create table if not exists migrations (version usmallint, name varchar, ran timestamp_ms)")
            change(con)
            con.execute("insert into migrations values ($v, $n, $t)", {"v": version, "n": name, "t": naive(now)})
            con.execute("commit")
        except BaseException:
            con.execute("rollback")
            raise


def copy_first(path: Path, backups: Path, now: datetime) -> Path:
    """Copy a closed store, with what is still in its journal, before it is changed. Returns the copy's path."""
    copy = backups / f"{path.stem}-before-{now:%Y%m%dT%H%M%SZ}.duckdb"
    backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal = path.with_name(path.name + ".wal")
    if journal.exists():
        shutil.copyfile(journal, copy.with_name(copy.name + ".wal"))
    part = copy.with_name(copy.name + ".part")
    shutil.copyfile(path, part)
    part.replace(copy)
    return copy
