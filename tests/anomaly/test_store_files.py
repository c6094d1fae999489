"""Files that are no store of ours, or not yet, or not any more: told apart, and left as they are."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import duckdb
import pytest

from ckkit.errors import Invalid, StoreDamaged, StoreError, StoreFull, StoreLocked, StoreNewer
from ckkit.model import Check, Node, Result, State
from ckkit.store import Store, file, migrations

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NODE, CHECK = Node(name="n"), Check(node="n", type="cpu")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store" / "ckkit.duckdb"


def made(path):
    store = Store.open(path)
    store.inventory.sync([NODE], [CHECK])
    store.close()


def content(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.is_file() and f.suffix != ".lock"}


def killed(path, *statements):
    """Do something to a file with DuckDB alone, and die before it is folded into the file."""
    code = f"import duckdb, os\ncon = duckdb.connect({str(path)!r})\n"
    code += "".join(f"con.execute({s!r})\n" for s in statements) + "os._exit(9)\n"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert file.journal_of(path).exists()


def test_the_file_is_made_as_it_was_decided(path):
    made(path)
    store = Store.open(path)
    assert store.query("select block_size from pragma_database_size()").to_pylist() == [{"block_size": 65536}]
    tags = store.query("select tags from duckdb_databases() where database_name = 'ckkit'")["tags"][0].as_py()
    assert dict(tags)["storage_version"].startswith("v1.5.0")
    names = [row["name"] for row in store.query("select name from migrations order by version").to_pylist()]
    assert names == [name for name, _ in migrations.MIGRATIONS]
    settings = {
        row["name"]: row["value"]
        for row in store.query("select name, value from duckdb_settings() where scope = 'GLOBAL'").to_pylist()
    }
    assert (settings["enable_external_access"], settings["lock_configuration"]) == ("false", "true")
    store.close()
    assert (os.stat(path.parent).st_mode & 0o777) == 0o700


def test_a_newer_file_with_a_journal_is_refused_and_no_byte_of_it_is_changed(path):
    made(path)
    killed(path, "insert into migrations values (99, 'flying cars', now()::timestamp)")
    before = content(path.parent)
    with pytest.raises(StoreNewer, match=r"flying cars.*git pull"):
        Store.open(path)
    assert content(path.parent) == before


def test_a_file_of_a_newer_duckdb_is_refused_with_the_way_out(path):
    made(path)
    data = bytearray(path.read_bytes())
    data[12:20] = (9999).to_bytes(8, "little")
    data[:8] = checksum(data[8:4096]).to_bytes(8, "little")
    path.write_bytes(data)
    before = content(path.parent)
    with pytest.raises(StoreNewer, match=r"of a newer DuckDB.*9999.*git pull"):
        Store.open(path)
    assert content(path.parent) == before


def checksum(data):
    """What DuckDB keeps at the begin of a block."""
    found = 5381
    for at in range(0, len(data), 8):
        found ^= int.from_bytes(data[at : at + 8], "little") * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    return found


def test_somebody_elses_database_is_not_taken(path):
    path.parent.mkdir()
    con = duckdb.connect(str(path))
    con.execute("create table recipes as select 'soup' as name")
    con.close()
    before = content(path.parent)
    with pytest.raises(StoreDamaged, match=r"no store of ckkit.*'recipes'.*move it aside"):
        Store.open(path)
    assert content(path.parent) == before


def test_a_file_whose_tail_is_gone_keeps_its_journal(path):
    made(path)
    big = "create table big as select range as n, random() as v from range(300000)"
    killed(path, big, "checkpoint", "insert into big values (1, 1)")
    path.write_bytes(path.read_bytes()[:-400_000])
    before = content(path.parent)
    with pytest.raises(StoreDamaged, match="left as it is"):
        Store.open(path)
    assert content(path.parent) == before


def test_a_journal_of_another_file_is_noticed(path):
    made(path)
    killed(path, "insert into annotations values (now()::timestamp, 'n', '', 'me', 'x')")
    journal = file.journal_of(path).read_bytes()
    path.unlink()
    file.journal_of(path).unlink()
    made(path)
    file.journal_of(path).write_bytes(journal)
    with pytest.raises(StoreDamaged, match=r"ckkit.duckdb.wal belongs to another file.*move the journal aside"):
        Store.open(path)
    file.journal_of(path).unlink()
    Store.open(path).close()


def test_a_journal_without_its_file_is_put_aside_and_not_thrown_away(path):
    path.parent.mkdir()
    file.journal_of(path).write_bytes(b"what was not yet in the file")
    made(path)
    assert [f.read_bytes() for f in path.parent.glob("*.orphan*")] == [b"what was not yet in the file"]


def test_a_store_that_was_being_made_when_its_maker_died_is_made_anew(path, monkeypatch):
    def die(con):
        con.execute("create table half (a integer)")
        raise RuntimeError("died")

    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, ("half", die)))
    with pytest.raises(RuntimeError):
        Store.open(path)
    assert not path.exists()
    monkeypatch.undo()
    made(path)
    store = Store.open(path)
    assert len(store.inventory.nodes()) == 1
    assert store.query("select 1 from duckdb_tables() where table_name = 'half'").num_rows == 0
    store.close()


@pytest.mark.parametrize("name", ["checks", "main"])
def test_a_name_that_hides_a_part_of_the_store_in_sql_is_refused(tmp_path, name):
    with pytest.raises(Invalid, match=r"names a part of it in SQL. Rename the file"):
        Store.open(tmp_path / f"{name}.duckdb")


def test_a_folder_that_cannot_be_one_is_said(tmp_path):
    (tmp_path / "letter").write_text("dear aunt")
    with pytest.raises(StoreError, match=r"cannot be opened: .*letter.*CKKIT_HOME"):
        Store.open(tmp_path / "letter" / "ckkit.duckdb")
    (tmp_path / "folder.duckdb").mkdir()
    with pytest.raises(StoreError, match=r"folder.duckdb: Is a directory"):
        Store.open(tmp_path / "folder.duckdb")
    (tmp_path / "folder.duckdb").rmdir()
    Store.open(tmp_path / "folder.duckdb").close()  # the lock was given back


def test_a_store_is_the_same_one_by_any_of_its_names(path, tmp_path):
    made(path)
    (tmp_path / "other").symlink_to(path.parent)
    store = Store.open(path)
    with pytest.raises(StoreLocked):
        Store.open(tmp_path / "other" / "ckkit.duckdb")
    store.close()


def test_without_a_folder_for_copies_they_are_made_beside_the_store(path, monkeypatch):
    made(path)
    added = (*migrations.MIGRATIONS, ("more", lambda con: con.execute("create table more (a integer)")))
    monkeypatch.setattr(migrations, "MIGRATIONS", added)
    Store.open(path, clock=lambda: NOW).close()
    (copy,) = (path.parent / "backups").iterdir()
    assert copy.name == "ckkit-before-20260301T000000Z.duckdb"


def test_two_copies_of_one_second_do_not_replace_each_other(path, tmp_path):
    made(path)
    first = migrations.copy_first(path, tmp_path / "backups", NOW)
    second = migrations.copy_first(path, tmp_path / "backups", NOW)
    assert first != second and first.read_bytes() == second.read_bytes() == path.read_bytes()
    assert file.copies_in(tmp_path / "backups") == sorted(
        [first, second], key=lambda f: f.stat().st_mtime, reverse=True
    )


def test_without_room_for_the_copy_an_older_store_is_left_as_it_is(path, tmp_path, monkeypatch):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        made(path)
        before = content(path.parent)
        added = (*migrations.MIGRATIONS, ("more", lambda con: con.execute("create table more (a integer)")))
        monkeypatch.setattr(migrations, "MIGRATIONS", added)
        with pytest.raises(StoreFull, match="no room"):
            Store.open(path, backups=small)
        assert content(path.parent) == before
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_a_lock_that_a_dead_process_left_behind_locks_nobody_out(path):
    made(path)
    shutil.copy(path, path.with_name("copy.duckdb"))
    path.with_name(path.name + ".lock").write_text("4711")
    Store.open(path).close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_store_that_shrank_and_was_closed_well_is_not_taken_for_damaged(tmp_path, seed):
    """A checkpoint cuts free blocks off the end of the file, and DuckDB goes on counting them."""
    import random

    chance, path, sequence = random.Random(seed), tmp_path / "ckkit.duckdb", 0
    for _ in range(9):
        store = Store.open(path)
        store.inventory.sync([Node(name="n")], [Check(node="n", type="cpu")])
        for _ in range(chance.randrange(1, 8)):
            sequence += 1
            values = {f"m{i}": chance.random() for i in range(16)}
            row = Result(
                check_id=(1 << 20) + 1,
                ts=datetime(2026, 3, 1, tzinfo=UTC),
                state=State.OK,
                took_seconds=0.0,
                status="x" * chance.randrange(200),
                values=values,
            )
            store.results([row] * chance.randrange(1, 8000), source="s", boot="b", sequence=sequence)
            if chance.random() < 0.4:
                store.write(lambda tx: tx.cur.execute("delete from results where random() < 0.8"))
        before = store.query("select count(*) as n from results")["n"][0].as_py()
        store.close()
        store = Store.open(path)
        assert store.query("select count(*) as n from results")["n"][0].as_py() == before
        store.close()
