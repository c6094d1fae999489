"""Events: written with what they tell of, numbered by commit for ever, told after the commit."""

from datetime import UTC, datetime, timedelta

import pytest

from ckkit.errors import Invalid, StoreError
from ckkit.model import Check, Node, Result, State
from ckkit.store import Store, outbox

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ckkit.duckdb"


@pytest.fixture
def store(path):
    store = Store.open(path, clock=lambda: NOW)
    yield store
    store.close()


def tell(store, *topics):
    store.write(lambda tx: [tx.emit(topic, "scope", {"n": n}, "test") for n, topic in enumerate(topics)])


def test_events_come_back_as_they_were(store):
    tell(store, "a", "b")
    first, second = store.events(0)
    assert (first.seq, first.ts, first.topic, first.scope, first.source) == (1, NOW, "a", "scope", "test")
    assert second.payload == {"n": 1}
    assert store.last_seq() == 2


@pytest.mark.parametrize("count", [1, 2, outbox.FEW + 1], ids=["one", "some", "many"])
def test_each_way_of_writing_them_gives_the_same(store, count):
    told = []
    store.on_commit(told.extend)
    tell(store, *(f"t{n}" for n in range(count)))
    store.write(lambda tx: None)  # the listeners have been called by now
    assert store.events(0) == told
    assert [event.seq for event in told] == list(range(1, count + 1))


def test_those_of_some_topics_after_a_number(store):
    tell(store, "a", "b", "a", "c")
    assert [e.seq for e in store.events(1, ["a", "c"])] == [3, 4]
    assert [e.seq for e in store.events(0, most=2)] == [1, 2]
    assert store.events(4) == []


def test_what_is_undone_tells_nothing_and_takes_no_number(store):
    def half(tx):
        tx.cur.execute("insert into annotations values (now()::timestamp, 'n', '', 'me', 'deployed')")
        tx.emit("a")
        raise Invalid("no")

    with pytest.raises(Invalid):
        store.write(half)
    tell(store, "b")
    assert [(e.seq, e.topic) for e in store.events(0)] == [(1, "b")]
    assert store.query("select 1 from annotations").num_rows == 0


def test_numbers_never_start_again(path):
    now = [NOW]
    store = Store.open(path, clock=lambda: now[0])
    tell(store, "a", "b", "c")
    now[0] += timedelta(days=1)
    store.write(lambda tx: outbox.forget(tx.cur, now[0]))
    assert store.events(0) == []
    assert store.last_seq() == 3
    store.close()
    store = Store.open(path, clock=lambda: now[0])
    tell(store, "d")
    assert [(e.seq, e.topic) for e in store.events(0)] == [(4, "d")]
    store.close()


def test_only_the_old_are_forgotten(path):
    now = [NOW]
    store = Store.open(path, clock=lambda: now[0])
    tell(store, "old")
    now[0] += timedelta(days=1)
    tell(store, "new")
    store.write(lambda tx: outbox.forget(tx.cur, NOW + timedelta(hours=1)))
    assert [(e.seq, e.topic) for e in store.events(0)] == [(2, "new")]
    store.close()


def test_a_listener_that_fails_harms_nobody(store):
    def broken(events):
        raise RuntimeError("a listener's fault")

    told = []
    store.on_commit(broken)
    store.on_commit(told.extend)
    tell(store, "a")
    tell(store, "b")
    store.write(lambda tx: None)
    assert [e.topic for e in told] == ["a", "b"]


def test_a_write_within_a_write_is_refused_and_not_a_deadlock(store):
    with pytest.raises(StoreError, match="use the transaction that is there"):
        store.write(lambda tx: store.write(lambda inner: None))
    found = []
    store.on_commit(lambda events: found.append(store.query("select count(*) as n from events")["n"][0].as_py()))
    tell(store, "a")
    store.write(lambda tx: None)
    assert found == [1]  # a listener reads, and sees what it is told of


def test_results_and_their_notice_are_numbered_with_the_rest(store):
    tell(store, "a")
    store.inventory.sync([Node(name="n")], [Check(node="n", type="cpu")])
    before = store.last_seq()
    row = Result(check_id=(1 << 20) + 1, ts=NOW, state=State.OK, took_seconds=0.0)
    store.results([row], source="s", boot="b", sequence=1)
    assert [(e.seq, e.topic) for e in store.events(before)] == [(before + 1, "results")]
    assert not store.results([row], source="s", boot="b", sequence=1).new
    assert store.last_seq() == before + 1  # what is not new tells nothing


def test_a_closed_store_says_so(path):
    store = Store.open(path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="the store is closed"):
        store.write(lambda tx: None)
    with pytest.raises(StoreError, match="not open: it was closed"):
        store.query("select 1")
