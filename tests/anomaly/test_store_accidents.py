"""What happens to a store: locked, damaged, newer, full, killed, invalidated, misused."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from ckkit.errors import (
    Cancelled,
    CkkitError,
    Refused,
    SqlError,
    StoreDamaged,
    StoreFull,
    StoreLocked,
    StoreNewer,
    TimedOut,
)
from ckkit.model import Check, Node, Result, State
from ckkit.store import Store, migrations

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store" / "ckkit.duckdb"


def filled(path, **options):
    store = Store.open(path, **options)
    store.inventory.sync([Node(name="n")], [Check(node="n", type="cpu")])
    return store


def result(n=0, **values):
    return Result(
        check_id=(1 << 20) + 1, ts=NOW + timedelta(seconds=n), state=State.OK, took_seconds=0.0, values=values
    )


def count(store):
    return store.query("select count(*) as n from results")["n"][0].as_py()


def test_a_second_owner_is_refused_and_told_who_the_first_is(path):
    store = filled(path)
    with pytest.raises(StoreLocked, match=rf"open in process {os.getpid()}.*ckkit down"):
        Store.open(path)
    store.close()
    Store.open(path).close()


def test_a_process_that_does_not_know_our_lock_is_noticed(path):
    filled(path).close()
    code = f"import duckdb, sys, time; c = duckdb.connect({str(path)!r}); print('open', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StoreLocked, match="open in a process that is no hub"):
            Store.open(path)
        other.kill()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: b"", "no DuckDB file"),
        (lambda data: b"this is a letter to my aunt" * 1000, "no DuckDB file"),
        (lambda data: data[: len(data) - 70_000], "damaged and left as it is"),
        (lambda data: data[:20_000], "damaged and left as it is"),
    ],
    ids=["empty", "a letter", "a block short", "the head alone"],
)
def test_a_damaged_file_is_refused_left_alone_and_the_copies_are_named(path, tmp_path, spoil, said):
    store = filled(path)
    for n in range(3):
        store.results([result(n, a=1.0)] * 10_000, source="s", boot="b", sequence=n)
    store.close()
    backups = tmp_path / "backups"
    backups.mkdir()
    shutil.copy(path, backups / "ckkit-good.duckdb")
    path.write_bytes(spoil(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match=said) as error:
        Store.open(path, backups=backups)
    assert "ckkit-good.duckdb" in error.value.message
    assert path.read_bytes() == before


def test_a_newer_file_is_refused_with_the_way_out(path, monkeypatch):
    filled(path).close()
    con = duckdb.connect(str(path))
    con.execute("insert into migrations values (99, 'flying cars', now()::timestamp)")
    con.close()
    with pytest.raises(StoreNewer, match=r"flying cars.*git pull"):
        Store.open(path)


def test_an_older_file_is_copied_before_it_is_changed(path, tmp_path, monkeypatch):
    old = migrations.MIGRATIONS
    store = filled(path)
    store.results([result(a=1.0)], source="s", boot="b", sequence=1)
    store.close()
    added = (*old, ("a new table", lambda cur: cur.execute("create table fresh (a integer)")))
    monkeypatch.setattr(migrations, "MIGRATIONS", added)
    store = Store.open(path, backups=tmp_path / "backups")
    assert store.query("select count(*) as n from fresh")["n"][0].as_py() == 0
    assert count(store) == 1
    store.close()
    (copy,) = (tmp_path / "backups").glob("*.duckdb")
    con = duckdb.connect(str(copy), read_only=True)
    assert con.execute("select count(*) from results").fetchone() == (1,)
    assert con.execute("select count(*) from duckdb_tables() where table_name = 'fresh'").fetchone() == (0,)
    con.close()


def test_a_migration_that_fails_changes_nothing(path, monkeypatch):
    filled(path).close()

    def half(cur):
        cur.execute("create table half (a integer)")
        raise RuntimeError("half-way")

    added = (*migrations.MIGRATIONS, ("half", half))
    monkeypatch.setattr(migrations, "MIGRATIONS", added)
    with pytest.raises(RuntimeError, match="half-way"):
        Store.open(path)
    monkeypatch.undo()
    store = Store.open(path)
    assert store.query("select 1 from duckdb_tables() where table_name = 'half'").num_rows == 0
    store.close()


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from ckkit.model import Check, Node, Result, State
    from ckkit.store import Store
    from datetime import UTC, datetime
    store = Store.open(Path(sys.argv[1]))
    store.inventory.sync([Node(name="n")], [Check(node="n", type="cpu")])
    store.on_commit(lambda events: os.kill(os.getpid(), signal.SIGKILL) if events[0].topic == "results" else None)
    row = Result(check_id=(1 << 20) + 1, ts=datetime.now(UTC), state=State.OK, took_seconds=0.0, values={"a": 1.0})
    store.results([row], source="s", boot="b", sequence=7)
"""


def test_killed_between_commit_and_answer_and_delivered_again_counts_once(path):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    store = Store.open(path)
    assert count(store) == 1
    assert not store.results([result(a=1.0)], source="s", boot="b", sequence=7).new
    assert count(store) == 1
    store.close()


def test_a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_room(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=False).returncode
    ):
        pytest.skip("mounting a small tmpfs needs root")
    try:
        store = filled(small / "ckkit.duckdb")
        room = small / "ballast"
        sequence, stored = 0, 0
        with pytest.raises(StoreFull, match="disk of the store is full"):
            while sequence < 400:
                if sequence == 2:
                    free = os.statvfs(small)
                    room.write_bytes(b"x" * max(0, free.f_bavail * free.f_frsize - 300_000))
                rows = [result(n, **{f"m{k}": n * 0.1 + k for k in range(10)}) for n in range(2000)]
                store.results(rows, source="s", boot="b", sequence=sequence)
                sequence, stored = sequence + 1, stored + 2000
        assert count(store) == stored
        room.unlink()
        assert store.results(rows, source="s", boot="b", sequence=sequence).new
        assert count(store) == stored + 2000
        store.close()
        store = Store.open(small / "ckkit.duckdb")
        assert count(store) == stored + 2000
        store.close()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


HOSTILE = [
    "with x as (insert into types values (99, 'x') returning *) select * from x",
    "insert into types values (99, 'x')",
    "select 1; drop table results",
    "update types set name = 'x'",
    "delete from results",
    "copy results to '/tmp/x.csv'",
    "copy results from '/tmp/x.csv'",
    "attach '/tmp/x.duckdb'",
    "detach ckkit",
    "set memory_limit = '1GB'",
    "reset memory_limit",
    "set enable_external_access = true",
    "pragma memory_limit='1GB'",
    "select * from duckdb_secrets()",
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_parquet('/etc/passwd')",
    "select * from glob('/etc/*')",
    "select * from '/etc/passwd'",
    "create secret s (type http, bearer_token 'x')",
    "load httpfs",
    "install httpfs",
    "export database '/tmp/x'",
    "import database '/tmp/x'",
    "call pragma_database_size()",
    "vacuum",
    "checkpoint",
    "create temp table x as select 1",
    "create table x as select 1",
    "prepare p as select 1",
    "execute p",
    "use memory",
    "drop table results",
    "alter table results add column x integer",
    "create macro f(a) as a",
    "begin",
    "commit",
    "",
    "; ;",
]


@pytest.mark.parametrize("sql", HOSTILE, ids=lambda sql: sql[:40] or "nothing")
def test_hostile_sql_is_refused_and_changes_nothing(path, sql):
    store = filled(path)
    store.results([result(a=1.0)], source="s", boot="b", sequence=1)
    with pytest.raises((Refused, SqlError)):
        list(store.read(sql))
    assert count(store) == 1
    assert store.query("select name from types").to_pylist() == [{"name": "cpu"}]
    assert [b.num_rows for b in list(store.read("select * from checks.cpu"))[1:]] == [1]
    store.close()


FOREVER = "select count(*) from range(100000000000) a, range(1000000) b"


def test_a_query_that_runs_too_long_is_cancelled(path):
    store = filled(path)
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"ran longer than 0\.3 s"):
        list(store.read(FOREVER, limit_s=0.3))
    assert time.monotonic() - started < 2
    assert store.running == 0
    store.close()


def test_a_stopped_query_ends_at_once_and_its_cursor_serves_the_next(path):
    store = filled(path)
    jobs = []
    threading.Timer(0.2, lambda: jobs[0].stop("client gone")).start()
    with pytest.raises(Cancelled):
        list(store.read(FOREVER, job=jobs.append))
    jobs[0].stop("late")  # an interrupt that comes late hits nobody
    assert list(store.read("select 42 as a"))[1].to_pylist() == [{"a": 42}]
    store.close()


def test_closing_ends_the_queries_that_run(path):
    store = filled(path)
    ended = []

    def ask():
        try:
            list(store.read(FOREVER))
        except CkkitError as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while store.running == 0:
        time.sleep(0.01)
    store.close()
    thread.join(5)
    assert ended and not thread.is_alive()


def test_a_clock_that_jumps_back_loses_nothing(path):
    times = iter([NOW + timedelta(days=1)] * 3 + [NOW] * 20)
    store = filled(path, clock=lambda: next(times))
    for n in range(5):
        assert store.results([result(n, a=1.0)], source="s", boot="b", sequence=n).new
    assert count(store) == 5
    assert [e.seq for e in store.events(0)] == list(range(1, store.last_seq() + 1))
    store.close()
