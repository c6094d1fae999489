"""The store goes and comes back under the collector: what was acknowledged is there, once; the rest arrives."""

import random
import time
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from ckkit.collect.catalogue import Catalogue
from ckkit.collect.checks.load import Load
from ckkit.collect.checks.memory import Memory
from ckkit.collect.outbox import Outbox
from ckkit.collect.runner import Collector
from ckkit.errors import StoreError
from ckkit.model import Check, Node, Result
from ckkit.store.store import Store

NODES = [Node(name=f"n{n}") for n in range(10)]
CHECKS = [
    Check(node=node.name, type=kind, every=timedelta(seconds=0.25), timeout=timedelta(seconds=0.2))
    for node in NODES
    for kind in ("load", "memory")
]


class Board:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.shown: set[str] = set()

    def raise_(self, key: str, level: str, text: str) -> None:
        self.seen.append(text)
        self.shown.add(key)

    def clear(self, key: str) -> None:
        self.shown.discard(key)


class Door:
    """The way to a store that may be closed for a while, or fail after it committed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store: Store | None = Store.open(path)
        self.fail = lambda: ""
        self.produced: set[tuple[int, int]] = set()

    def __call__(self, batch: Sequence[Result], sequence: int) -> None:
        self.produced |= {(r.check_id, round(r.ts.timestamp() * 1000)) for r in batch}
        store, how = self.store, self.fail()
        if store is None or how == "before":
            raise StoreError("the store is away")
        store.results(batch, source="collector", boot="one", sequence=sequence)
        if how == "after":
            raise StoreError("it was committed, but who knows")

    def close(self) -> None:
        store, self.store = self.store, None
        if store is not None:
            store.close()

    def open(self) -> None:
        self.store = Store.open(self.path)

    def stored(self) -> list[tuple[int, int]]:
        assert self.store is not None
        rows = self.store.query("select check_id, ts from results").to_pylist()
        return [(row["check_id"], round(row["ts"].replace(tzinfo=UTC).timestamp() * 1000)) for row in rows]


@pytest.fixture
def door(tmp_path: Path) -> Door:
    door = Door(tmp_path / "ckkit.duckdb")
    assert door.store is not None
    door.store.inventory.sync(NODES, CHECKS)
    return door


def collect(door: Door, board: Board) -> Collector:
    assert door.store is not None
    catalogue = Catalogue({"load": Load(), "memory": Memory()})
    collector = Collector(door, board, catalogue=catalogue, outbox=Outbox(door, board, every_s=0.05))
    collector.set_checks(door.store.inventory.checks(), NODES)
    collector.start()
    return collector


def test_a_store_that_fails_at_random_before_or_after_its_commit(door: Door) -> None:
    chance = random.Random(7)
    door.fail = lambda: chance.choice(["", "", "before", "after"])
    board = Board()
    collector = collect(door, board)
    time.sleep(3.0)
    door.fail = lambda: ""
    assert collector.stop() == 0
    stored = door.stored()
    assert len(stored) == len(set(stored)), "a result is there twice"
    assert set(stored) == door.produced, "a result is missing"
    assert len(stored) >= 20 * 8
    assert any("results wait for the store since" in text for text in board.seen)
    assert collector.counters()["dropped"] == 0
    door.close()


def test_a_store_that_is_closed_and_opened_again(door: Door) -> None:
    board = Board()
    collector = collect(door, board)
    time.sleep(0.6)
    door.close()
    time.sleep(1.0)
    assert board.shown == {"collect.outbox"}
    assert collector.counters()["waiting"] > 20
    door.open()
    time.sleep(2.5)
    assert board.shown == set()
    assert collector.stop() == 0
    stored = door.stored()
    assert len(stored) == len(set(stored))
    assert set(stored) == door.produced
    slots = {slot for _, slot in stored}
    assert max(slots) - min(slots) > 3_000  # the time while it was away is there too
    door.close()
