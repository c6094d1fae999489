"""A store that DuckDB gave up, a commit that nobody knows of, memory that others hold, readers that sleep."""

import os
import random
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from ckkit.errors import Cancelled, CkkitError, StoreDamaged, StoreError, StoreFull, TimedOut
from ckkit.model import Check, Node, Result, State
from ckkit.store import Store, file, pool

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CHECK = (1 << 20) + 1
FOREVER = "select count(*) from range(100000000000) a, range(1000000) b"
STREAM = "select range as n from range(100000000)"


def filled(path, **options):
    store = Store.open(path, **options)
    store.inventory.sync([Node(name="n")], [Check(node="n", type="cpu")])
    return store


noise = random.Random(7).random


def rows(count, value=noise):
    values = [{f"m{k}": value() for k in range(10)} for _ in range(count)]
    return [
        Result(check_id=CHECK, ts=NOW + timedelta(seconds=n), state=State.OK, took_seconds=0.0, values=v)
        for n, v in enumerate(values)
    ]


def count(store):
    return store.query("select count(*) as n from results")["n"][0].as_py()


@pytest.fixture
def store(tmp_path):
    store = filled(tmp_path / "ckkit.duckdb")
    yield store
    store.close()


class Faulty:
    """A cursor that fails at a statement: before it is done, or after."""

    def __init__(self, cur):
        self._cur, self.plan = cur, []
        self.done = []

    def __getattr__(self, name):
        return getattr(self._cur, name)

    def fail(self, statement, error, *, after=False):
        self.plan.append((statement, error, after))

    def execute(self, sql, *args):
        found = self.plan[0] if self.plan and sql.startswith(self.plan[0][0]) else None
        if found and not found[2]:
            self.plan.pop(0)
            raise found[1]
        answer = self._cur.execute(sql, *args)
        self.done.append(sql)
        if found:
            self.plan.pop(0)
            raise found[1]
        return answer


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """A store, and the cursor of its writer, which fails as told."""
    made = []
    own = pool.Pool.own

    def spoilt(self):
        made.append(Faulty(own(self)))
        return made[-1]

    monkeypatch.setattr(pool.Pool, "own", spoilt)
    store = filled(tmp_path / "faulty" / "ckkit.duckdb")
    yield store, made
    store.close()


@pytest.fixture
def small(tmp_path):
    """A disk of 4 MB, and a function that fills it up to some bytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")

    def leave(free):
        disk = os.statvfs(folder)
        (folder / "ballast").write_bytes(b"x" * max(0, disk.f_bavail * disk.f_frsize - free))

    yield folder, leave
    subprocess.run(["umount", "-l", folder], check=True)


# -- a commit that raises ------------------------------------------------------------------------------------------


def test_a_full_disk_at_a_checkpoint_invalidates_the_database_and_loses_and_doubles_nothing(small, monkeypatch):
    monkeypatch.setattr(file, "CHECKPOINT", "200KB")
    folder, leave = small
    store = filled(folder / "ckkit.duckdb")
    told = []
    store.on_commit(lambda events: told.extend(e for e in events if e.topic == "results"))
    stored, reopened = 0, []
    reopen = pool.Pool.reopen
    monkeypatch.setattr(pool.Pool, "reopen", lambda self: reopened.append(stored) or reopen(self))
    leave(2_000_000)
    for sequence in range(100):
        try:
            assert store.results(rows(1000), source="s", boot="b", sequence=sequence).new
        except StoreFull:
            break
        stored += 1000
        assert count(store) == stored
    assert reopened, "DuckDB did not give the database up"
    (folder / "ballast").unlink()
    assert store.results(rows(1000), source="s", boot="b", sequence=1000).new
    assert count(store) == stored + 1000
    assert sum(event.payload["rows"] for event in told) == stored + 1000
    assert [event.seq for event in told] == sorted({event.seq for event in told})
    store.close()
    store = Store.open(folder / "ckkit.duckdb")
    assert count(store) == stored + 1000
    store.close()


def test_a_commit_that_raised_and_happened_is_acknowledged_told_and_counted_once(faulty):
    store, made = faulty
    told, seen = [], []
    store.on_commit(told.extend)
    store.on_results(lambda found: seen.append(found.num_rows))
    made[-1].fail("commit", duckdb.IOException("COMMIT succeeded and is durable, but …"), after=True)
    assert store.results(rows(3), source="s", boot="b", sequence=1).new
    assert not store.results(rows(3), source="s", boot="b", sequence=1).new
    assert (count(store), seen, [e.topic for e in told]) == (3, [3], ["results"])


def test_a_write_without_events_whose_commit_raised_and_happened_is_done_once(faulty):
    store, made = faulty
    made[-1].fail("commit", duckdb.IOException("who knows"), after=True)
    runs = []

    def note(tx):
        runs.append(1)
        tx.cur.execute("insert into annotations values (now()::timestamp, 'n', '', 'me', 'deployed')")
        return "noted"

    assert store.write(note) == "noted"
    assert len(runs) == store.query("select 1 from annotations").num_rows == 1


def test_a_commit_that_raised_and_did_not_happen_is_not_acknowledged(faulty):
    store, made = faulty
    made[-1].fail("commit", duckdb.IOException("Could not write file: No space left on device"))
    with pytest.raises(StoreFull, match="nothing of this was stored"):
        store.results(rows(3), source="s", boot="b", sequence=1)
    assert count(store) == 0
    assert store.results(rows(3), source="s", boot="b", sequence=1).new
    assert count(store) == 3


def test_what_was_learnt_in_a_transaction_that_is_undone_is_forgotten(faulty):
    store, made = faulty
    made[-1].fail("commit", duckdb.IOException("No space left on device"))
    with pytest.raises(StoreFull):
        store.results(rows(1), source="s", boot="b", sequence=1)
    assert store.inventory.metrics("cpu") == []
    made[-1].fail("commit", duckdb.IOException("No space left on device"))
    with pytest.raises(StoreFull):
        store.inventory.sync([Node(name="n"), Node(name="m")], [Check(node="m", type="cpu")])
    store.inventory.sync([Node(name="x"), Node(name="n")], [Check(node="x", type="cpu")])
    assert {n.name: n.node_id for n in store.inventory.nodes()} == {"n": 1, "x": 2}
    assert [c.check_id for c in store.inventory.checks()] == [CHECK + 1]


# -- opened again ----------------------------------------------------------------------------------------------------


def test_a_write_that_meets_an_invalidated_database_is_done_on_the_reopened_one(faulty):
    store, made = faulty
    sleeping = store.read(STREAM)
    next(sleeping), next(sleeping)  # who does not read on holds the old database open, if nobody ends that
    made[-1].fail("insert into results", duckdb.FatalException("database has been invalidated"))
    assert store.results(rows(3), source="s", boot="b", sequence=1).new
    assert len(made) == 2
    assert count(store) == 3
    assert store.query("select count as n from duckdb_connection_count()")["n"][0].as_py() <= 3
    with pytest.raises(Cancelled):
        list(sleeping)
    assert count(store) == 3


def test_a_store_that_cannot_be_reopened_says_so_and_goes_on_when_it_can(faulty, monkeypatch):
    store, made = faulty
    connect = file.connect

    def refuse(path, **how):
        raise StoreFull("no room to open the store")

    monkeypatch.setattr(file, "connect", refuse)
    made[-1].fail("begin", duckdb.FatalException("database has been invalidated"))
    for sequence in (1, 2):
        with pytest.raises(StoreFull, match="no room to open"):
            store.results(rows(1), source="s", boot="b", sequence=sequence)
    with pytest.raises(StoreError, match="not open: no room to open"):
        store.query("select 1")
    monkeypatch.setattr(file, "connect", connect)
    assert store.results(rows(1), source="s", boot="b", sequence=1).new
    assert count(store) == 1


def test_a_reader_that_finds_the_database_given_up_has_it_reopened(small, monkeypatch):
    folder, leave = small
    store = filled(folder / "ckkit.duckdb")
    store.results(rows(2000), source="s", boot="b", sequence=1)
    leave(0)
    with store._pool.cursor() as cur, pytest.raises(duckdb.FatalException):
        cur.execute("checkpoint")
    (folder / "ballast").unlink()
    assert count(store) == 2000
    assert [b.num_rows for b in list(store.read("from checks.cpu"))[1:]] == [2000]
    store.close()


# -- memory ----------------------------------------------------------------------------------------------------------


def test_a_write_without_memory_ends_the_queries_that_hold_it_and_is_done(faulty):
    store, made = faulty
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
    made[-1].fail("insert into results", duckdb.OutOfMemoryException("failed to allocate"))
    assert store.results(rows(3), source="s", boot="b", sequence=1).new
    thread.join(5)
    assert isinstance(ended[0], Cancelled)
    assert count(store) == 3


def test_queries_that_want_more_memory_than_there_is_stop_no_writer(tmp_path):
    store = filled(tmp_path / "ckkit.duckdb", memory_limit="100MB", read_limit_s=20)
    hog = (
        "select a, list(b) from (select range % 3000000 as a, random()::varchar || repeat('x', 50) as b "
        "from range(6000000)) group by a order by 2 desc"
    )
    end = threading.Event()

    def ask():
        while not end.is_set():
            try:
                list(store.read(hog, limit_s=1.0))
            except CkkitError:
                continue

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    started, sequence = time.monotonic(), 0
    while time.monotonic() - started < 4:
        sequence += 1
        assert store.results(rows(1000), source="s", boot="b", sequence=sequence).new
    end.set()
    for thread in threads:
        thread.join()
    assert sequence > 3 and count(store) == 1000 * sequence
    store.close()


# -- readers that sleep ----------------------------------------------------------------------------------------------


def test_a_reader_that_does_not_read_on_is_let_go_at_its_limit(store):
    sleeping = store.read(STREAM, limit_s=0.3)
    next(sleeping), next(sleeping)
    assert store.running == 1
    time.sleep(0.5)
    with pytest.raises(TimedOut, match=r"ran longer than 0\.3 s"):
        next(sleeping)
    assert store.running == 0


def test_a_store_closes_at_once_although_somebody_sleeps_over_an_answer(store):
    sleeping = store.read(STREAM)
    next(sleeping), next(sleeping)
    started = time.monotonic()
    closing = threading.Thread(target=store.close)
    closing.start()
    with pytest.raises(Cancelled, match="cancelled"):
        while time.monotonic() - started < 3:
            next(sleeping)
    closing.join(2)
    assert not closing.is_alive()
    Store.open(store.path).close()


def test_an_answer_that_is_left_half_read_gives_its_cursor_back(store):
    for _ in range(50):
        half = store.read(STREAM)
        next(half), next(half)
        half.close()
    assert store.running == 0
    assert len(store._pool._free) <= 2


# -- one source, several batches -------------------------------------------------------------------------------------


def test_a_batch_does_not_overtake_one_of_its_source_that_could_not_be_stored(faulty):
    store, made = faulty
    hold, held = threading.Event(), threading.Event()
    blocking = threading.Thread(target=lambda: store.write(lambda tx: (held.set(), hold.wait(10))))
    blocking.start()
    held.wait(10)
    answers = {}

    def send(source, sequence):
        try:
            answers[source, sequence] = store.results(rows(1), source=source, boot="b", sequence=sequence).new
        except StoreError as error:
            answers[source, sequence] = error

    threads = []
    for source, sequence in (("s", 1), ("s", 2), ("other", 1)):
        threads.append(threading.Thread(target=send, args=(source, sequence)))
        threads[-1].start()
        time.sleep(0.1)  # they wait in this order
    full = duckdb.IOException("No space left on device")
    made[-1].fail("insert into results", full)  # the group
    made[-1].fail("insert into results", full)  # its first batch, alone
    hold.set()
    for thread in (blocking, *threads):
        thread.join(10)
    assert isinstance(answers["s", 1], StoreFull) and isinstance(answers["s", 2], StoreFull)
    assert answers["other", 1] is True
    assert store.results(rows(1), source="s", boot="b", sequence=1).new
    assert store.results(rows(1), source="s", boot="b", sequence=2).new
    assert count(store) == 3


def test_a_part_of_the_file_that_cannot_be_read_is_said(tmp_path):
    path = tmp_path / "ckkit.duckdb"
    store = filled(path)
    store.write(lambda tx: tx.cur.execute("create table big as select range as n, random() as v from range(500000)"))
    store.close()
    con = duckdb.connect(str(path), read_only=True)
    parts = con.execute(
        "select distinct block_id from pragma_storage_info('big') where segment_type = 'DOUBLE'"
    ).fetchall()
    con.close()
    data = bytearray(path.read_bytes())
    for (number,) in parts:
        block = file.HEADER + number * file.BLOCK_SIZE
        data[block + 5000 : block + 5050] = b"\x55\xaa" * 25
    path.write_bytes(data)
    store = Store.open(path)
    with pytest.raises(StoreDamaged, match=r"its disk may be failing.*backups"):
        store.query("select sum(n), sum(v) from big")
    store.close()
