"""The overview's document, from a real store: the same numbers as SQL, once a tick, of the nodes there are."""

import json
import struct
import time
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ckkit.hub.bus import Bus
from ckkit.hub.notices import Notices
from ckkit.hub.overview import Overview
from ckkit.model import Check, Event, Metric, Node, Result, State
from ckkit.store import Store

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EVERY = timedelta(seconds=10)
NODES = [
    Node(name="db0", provider="cloud", tags=("db",), public_addresses=("192.0.2.1",)),
    Node(name="quiet"),
    Node(name="web0", tags=("web", "prod")),
]
CHECKS = [
    Check(node="web0", type="cpu"),
    Check(node="db0", type="cpu"),
    Check(node="web0", type="disk", instance="/"),
    Check(node="web0", type="disk", instance="/srv"),
    Check(node="web0", type="network", instance="eth0"),
    Check(node="web0", type="network", instance="eth1"),
    Check(node="quiet", type="cpu"),
]
METRICS = [
    Metric(type="cpu", name="busy_ratio"),
    Metric(type="disk", name="used_ratio"),
    Metric(type="network", name="sent_bytes_per_second"),
    Metric(type="network", name="received_bytes_per_second"),
]


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


class World:
    """A store with an overview that is not started: each test says when what happens."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.store = Store.open(path / "ckkit.duckdb", clock=self.clock)
        self.store.inventory.declare(METRICS)
        self.store.inventory.sync(NODES, CHECKS)
        self.sequence = 0
        self.bus = Bus(self.store, self.clock)
        self.notices = Notices(self.clock)
        self.overview = self.make()

    def make(self) -> Overview:
        return Overview(
            store=self.store,
            inventory=self.store.inventory,
            bus=self.bus,
            notices=self.notices,
            judged=lambda: None,
            clock=self.clock,
            every=EVERY,
        )

    def measure(self, key: str, ago: float, state: State = State.OK, **values: float) -> None:
        ids = {check.key: check.check_id for check in self.store.inventory.checks()}
        at = self.clock() - timedelta(seconds=ago)
        result = Result(check_id=ids[key] or 0, ts=at, state=state, took_seconds=0.1, values=values)
        self.sequence += 1
        self.store.results([result], source="test", boot="b", sequence=self.sequence)

    def document(self) -> dict[str, Any]:
        self.overview._tick += 1
        found: dict[str, Any] = json.loads(self.overview.document())
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def live(world: World) -> Iterator[World]:
    world.store.on_commit(world.bus.tell)
    world.overview.start()
    yield world
    world.overview.stop()


def column(document: dict[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = next(metric for metric in document["metrics"] if metric["key"] == key)
    return found


def sparks(document: dict[str, Any], key: str) -> list[list[float | None]]:
    """A row of points a node, oldest first."""
    raw = b64decode(column(document, key)["spark"])
    values = struct.unpack(f"<{len(raw) // 4}f", raw)
    points = document["points"]
    rows = [values[i : i + points] for i in range(0, len(values), points)]
    return [[None if v != v else round(v, 4) for v in row] for row in rows]


def wait_for_tick(world: World, tick: int) -> None:
    end = time.monotonic() + 10
    while world.overview.tick < tick:
        assert time.monotonic() < end, "no tick"
        time.sleep(0.01)


def test_an_empty_store_is_a_document(world: World) -> None:
    document = world.document()
    assert document["nodes"]["name"] == ["db0", "quiet", "web0"]
    assert document["nodes"]["level"] == ["nodata"] * 3
    assert document["nodes"]["seen"] == [None] * 3
    assert column(document, "cpu")["last"] == [None] * 3
    assert sparks(document, "cpu") == [[None] * 60] * 3
    assert (document["as_of"], document["every_seconds"], document["points"]) == ("2026-11-24T12:00:00Z", 10.0, 60)


def test_facts_of_nodes(live: World) -> None:
    nodes, document = live.document()["nodes"], live.document()
    assert nodes["address"] == ["192.0.2.1", "quiet", "web0"]
    assert (nodes["checks"], nodes["provider"]) == ([1, 1, 5], ["cloud", "static", "static"])
    assert (document["tags"], document["providers"]) == (
        [["db", 1], ["prod", 1], ["web", 1]],
        [["static", 2], ["cloud", 1]],
    )


def test_results_become_last_values_and_points(live: World) -> None:
    live.measure("web0/cpu", 20, busy_ratio=0.25)
    live.measure("web0/cpu", 0, busy_ratio=0.75)
    live.measure("db0/cpu", 10, busy_ratio=0.5)
    document = live.document()
    assert column(document, "cpu")["last"] == [0.5, None, 0.75]
    assert [row[-3:] for row in sparks(document, "cpu")] == [
        [None, 0.5, None],
        [None, None, None],
        [0.25, None, 0.75],
    ]
    assert document["nodes"]["seen"] == ["2026-11-24T11:59:50Z", None, "2026-11-24T12:00:00Z"]
    assert document["nodes"]["level"] == ["ok", "nodata", "ok"]


def test_the_fullest_disk_counts_and_interfaces_add_up(live: World) -> None:
    live.measure("web0/disk:/", 0, used_ratio=0.2)
    live.measure("web0/disk:/srv", 0, used_ratio=0.9)
    live.measure("web0/network:eth0", 0, received_bytes_per_second=100.0, sent_bytes_per_second=7.0)
    live.measure("web0/network:eth1", 0, received_bytes_per_second=50.0, sent_bytes_per_second=7.0)
    document = live.document()
    assert column(document, "disk")["last"][2] == 0.9
    assert column(document, "network")["last"][2] == 150.0


def test_one_commit_with_several_types_reaches_every_column(live: World) -> None:
    ids = {check.key: check.check_id for check in live.store.inventory.checks()}
    values = {"web0/disk:/": {"used_ratio": 0.4}, "web0/cpu": {"busy_ratio": 0.3}}
    results = [
        Result(check_id=ids[key] or 0, ts=NOW, state=State.OK, took_seconds=0.1, values=v) for key, v in values.items()
    ]
    live.store.results(results, source="mixed", boot="b", sequence=1)
    document = live.document()
    assert (column(document, "disk")["last"][2], column(document, "cpu")["last"][2]) == (0.4, 0.3)


@pytest.mark.parametrize(
    ("state", "level", "failing"), [(State.OK, "ok", 0), (State.WARN, "warn", 0), (State.ERR, "critical", 1)]
)
def test_a_failing_check_shows_on_its_node(live: World, state: State, level: str, failing: int) -> None:
    live.measure("db0/cpu", 0, state)
    nodes = live.document()["nodes"]
    assert (nodes["level"][0], nodes["failing"][0]) == (level, failing)


def test_what_is_old_looks_old(live: World) -> None:
    live.measure("db0/cpu", 0, busy_ratio=0.5)
    live.clock.now = NOW + timedelta(seconds=25)
    assert column(live.document(), "cpu")["last"][0] == 0.5
    live.clock.now = NOW + timedelta(seconds=45)
    document = live.document()
    assert (column(document, "cpu")["last"][0], document["nodes"]["level"][0]) == (None, "nodata")
    assert sparks(document, "cpu")[0][-1] == 0.5


@pytest.mark.parametrize(("level", "shown"), [("warn", "warn"), ("critical", "critical"), ("nodata", "nodata")])
def test_firing_alerts_show_on_their_node(live: World, level: str, shown: str) -> None:
    live.measure("db0/cpu", 0, busy_ratio=0.5)
    live.store.write(
        lambda tx: (
            tx.cur.execute(
                'insert into alerts (alert_id, monitor_id, check_id, monitor, node, "check", watched, status, level, '
                "slot, reason) values (1, 1, 1, 'm', 'db0', 'cpu', true, 'firing', $level, $slot, 'x'), "
                "(2, 1, 2, 'm', 'web0', 'cpu', true, 'pending', 'critical', $slot, 'x')",
                {"level": level, "slot": NOW.replace(tzinfo=None)},
            ),
            tx.emit("transitions", "", {"count": 1}),
        )
    )
    document = live.document()
    assert (document["nodes"]["level"][0], document["alerts"]) == (shown, {"firing": 1, "pending": 1})


def test_a_new_hub_reads_the_points_from_the_store(world: World) -> None:
    world.measure("web0/cpu", 30, busy_ratio=0.25)
    world.measure("web0/cpu", 0, busy_ratio=0.75)
    world.measure("db0/cpu", 3600, State.ERR)
    world.overview.start()
    try:
        document = world.document()
    finally:
        world.overview.stop()
    assert sparks(document, "cpu")[2][-4:] == [0.25, None, None, 0.75]
    assert document["nodes"]["failing"] == [1, 0, 0]
    assert document["nodes"]["seen"][0] == "2026-11-24T11:00:00Z"


def test_a_new_node_comes_and_the_others_keep_their_points(live: World) -> None:
    live.measure("web0/cpu", 0, busy_ratio=0.75)
    live.document()
    live.store.inventory.sync([*NODES, Node(name="new")], [*CHECKS, Check(node="new", type="cpu")])
    live.measure("new/cpu", 0, busy_ratio=0.1)
    document = live.document()
    assert document["nodes"]["name"] == ["db0", "new", "quiet", "web0"]
    assert column(document, "cpu")["last"] == [None, 0.1, None, 0.75]


def test_another_interval_reads_the_points_again(live: World) -> None:
    for ago in (30, 20, 10, 0):
        live.measure("web0/cpu", ago, busy_ratio=0.1 + ago / 100)
    live.overview.apply(timedelta(seconds=20))
    document = live.document()
    assert document["every_seconds"] == 20.0
    assert sparks(document, "cpu")[2][-3:] == [0.4, 0.2, 0.1]  # of two in a slot the later


def test_results_make_a_tick_and_at_most_one_a_second(live: World) -> None:
    told: list[float] = []

    def note(events: list[Event]) -> None:
        told.extend(time.monotonic() for event in events if event.topic == "overview")

    live.bus.follow(note)
    end = time.monotonic() + 2.6
    while time.monotonic() < end:
        live.measure("web0/cpu", 0, busy_ratio=0.5)
        time.sleep(0.02)
    assert 2 <= len(told) <= 4
    assert all(later - earlier > 0.9 for earlier, later in pairwise(told))


def test_a_document_is_made_once_a_tick(live: World) -> None:
    first = live.overview.document()
    assert live.overview.document() is first
    live.measure("web0/cpu", 0, busy_ratio=0.5)
    wait_for_tick(live, 1)
    assert live.overview.document() is not first


def test_many_waiting_batches_are_taken_in(world: World) -> None:
    world.store.on_results(world.overview.feed)
    for n in range(250):
        world.measure("web0/cpu", 0, busy_ratio=n / 1000)
    assert len(world.overview._waiting) <= 200
    assert column(world.document(), "cpu")["last"][2] == 0.249
