"""The inventory in the store: versions, ids for ever, events, no secrets."""

from datetime import UTC, datetime, timedelta

import pytest

from ckkit.errors import Invalid
from ckkit.model import Check, Metric, Node
from ckkit.store import Store


@pytest.fixture
def clock():
    class Clock:
        now = datetime(2026, 3, 1, tzinfo=UTC)

        def __call__(self):
            self.now += timedelta(minutes=1)
            return self.now

    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    store = Store.open(tmp_path / "ckkit.duckdb", clock=clock)
    yield store
    store.close()


WEB = Node(name="web0", tags=("web",), private_addresses=("10.0.0.1",), details={"zone": "a"})
HTTP = Check(
    node="web0", type="http", instance="home", params={"url": "http://me:pw@x/", "token": "s", "token_env": "T"}
)


def test_what_is_synced_comes_back_with_ids(store):
    changes = store.inventory.sync([WEB], [HTTP])
    assert (changes.nodes_added, changes.checks_added) == (("web0",), ("web0/http:home",))
    (node,), (check,) = store.inventory.nodes(), store.inventory.checks()
    assert node.node_id == 1 and node.tags == ("web",) and node.details == {"zone": "a"}
    assert check.check_id and check.key == "web0/http:home" and check.every == HTTP.every


def test_the_same_again_changes_nothing(store):
    store.inventory.sync([WEB], [HTTP])
    assert not store.inventory.sync([WEB], [HTTP])
    assert store.query("select count(*) as n from nodes")["n"][0].as_py() == 1


def test_a_change_makes_a_version_and_an_event(store):
    store.inventory.sync([WEB], [HTTP])
    events = []
    store.on_commit(events.extend)
    changes = store.inventory.sync([Node(name="web0", tags=("web", "prod"))], [HTTP])
    assert changes.nodes_changed == ("web0",)
    rows = store.query("select len(tags) as n, valid_to is null as current from nodes order by valid_from").to_pylist()
    assert rows == [{"n": 1, "current": False}, {"n": 2, "current": True}]
    store.inventory.nodes()
    assert [(e.topic, e.scope, e.payload["change"]) for e in events] == [("nodes", "web0", "changed")]


def test_what_goes_and_comes_back_keeps_its_id(store):
    store.inventory.sync([WEB], [HTTP])
    before = store.inventory.checks()[0].check_id
    assert store.inventory.sync([], []).checks_removed == ("web0/http:home",)
    assert store.inventory.nodes() == []
    store.inventory.sync([Node(name="other"), WEB], [HTTP, Check(node="other", type="http", instance="home")])
    found = {c.key: c.check_id for c in store.inventory.checks()}
    assert found["web0/http:home"] == before != found["other/http:home"]


def test_secrets_are_not_stored(store):
    store.inventory.sync([WEB], [HTTP])
    (text,) = store.query("select details from checks")["details"].to_pylist()
    assert "pw" not in text and '"s"' not in text
    assert store.inventory.checks()[0].params == {"url": "http://•••@x/", "token": "•••", "token_env": "T"}


def test_a_check_of_a_node_that_is_not_there_is_left_out(store):
    assert store.inventory.sync([], [HTTP]).checks_added == ()


def test_declared_metrics_make_a_view_before_the_first_result(store):
    store.inventory.declare([Metric(type="cpu", name="busy_ratio", unit="ratio", help="how busy")])
    assert store.query("select busy_ratio from checks.cpu").num_rows == 0
    store.inventory.declare([Metric(type="cpu", name="busy_ratio", unit="ratio", help="how busy it is")])
    assert store.inventory.metrics("cpu")[0][1].help == "how busy it is"


def test_ids_and_positions_outlive_the_process(tmp_path):
    path = tmp_path / "other" / "ckkit.duckdb"
    store = Store.open(path)
    store.inventory.declare([Metric(type="cpu", name="a"), Metric(type="cpu", name="b")])
    store.inventory.sync([WEB], [HTTP])
    before = store.inventory.checks(), store.inventory.metrics(), store.last_seq()
    store.close()
    again = Store.open(path)
    assert (again.inventory.checks(), again.inventory.metrics(), again.last_seq()) == before
    again.close()


def test_a_clock_that_is_set_back_ends_no_version_before_it_began(store, clock):
    store.inventory.sync([WEB], [HTTP])
    clock.now -= timedelta(days=1)
    store.inventory.sync([Node(name="web0", tags=("late",))], [])
    rows = store.query("select valid_from, valid_to from nodes union all select valid_from, valid_to from checks")
    assert all(row["valid_to"] is None or row["valid_to"] >= row["valid_from"] for row in rows.to_pylist())
    assert [node.tags for node in store.inventory.nodes()] == [("late",)]
    assert store.inventory.checks() == []


def test_ids_are_given_once_whatever_comes_and_goes(store):
    seen = {}
    for turn in range(6):
        nodes = [Node(name=f"n{i}") for i in range(8) if (i + turn) % 3]
        checks = [Check(node=node.name, type=kind) for node in nodes for kind in ("cpu", "disk")[turn % 2 :]]
        store.inventory.sync(nodes, checks)
        for check in store.inventory.checks():
            assert seen.setdefault(check.key, check.check_id) == check.check_id
        for node in store.inventory.nodes():
            assert seen.setdefault(node.name, node.node_id) == node.node_id
    ids = [number for name, number in seen.items() if "/" in name]
    assert len(set(ids)) == len(ids)


def test_a_type_has_room_for_no_more_checks_than_its_ids(store, monkeypatch):
    from ckkit.store import catalogue

    monkeypatch.setattr(catalogue, "CHECKS_LIMIT", 2)
    many = [Check(node="web0", type="http", instance=str(n)) for n in range(3)]
    with pytest.raises(Invalid, match="2 checks of the type 'http'"):
        store.inventory.sync([WEB], many)
    assert store.inventory.nodes() == []
    store.inventory.sync([WEB], many[:2])
    assert len(store.inventory.checks()) == 2


def test_metrics_without_end_are_refused(store, monkeypatch):
    from ckkit.store import catalogue

    monkeypatch.setattr(catalogue, "METRICS_LIMIT", 3)
    with pytest.raises(Invalid, match=r"put what varies .* into the check's instance"):
        store.inventory.declare([Metric(type="cpu", name=f"m{n}") for n in range(4)])
    assert store.inventory.metrics() == []


def test_the_same_inventory_of_a_thousand_nodes_is_compared_and_not_written(store):
    nodes = [Node(name=f"n{i}", tags=("web",)) for i in range(1000)]
    checks = [Check(node=n.name, type=t) for n in nodes for t in ("cpu", "memory")]
    assert len(store.inventory.sync(nodes, checks).checks_added) == 2000
    before = store.last_seq()
    assert not store.inventory.sync(nodes, checks)
    assert store.last_seq() == before == 3000
