"""Results on their way: batched, in order, kept, retried with the same sequence, bounded."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ckkit.collect.outbox import NOTICE, Outbox
from ckkit.errors import Invalid, StoreError
from ckkit.model import Result, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def result(n: int) -> Result:
    return Result(check_id=n, ts=NOW, state=State.OK, took_seconds=0.0)


class Board:
    """Notices as they are shown."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        self.seen: list[str] = []

    def raise_(self, key: str, level: str, text: str) -> None:
        self.shown[key] = text
        self.seen.append(text)

    def clear(self, key: str) -> None:
        self.shown.pop(key, None)


class Taking:
    """A sink that remembers what it was given, and fails as it is told."""

    def __init__(self, fail: Callable[[int, Sequence[Result]], Exception | None] = lambda n, batch: None) -> None:
        self.given: list[tuple[int, list[int]]] = []
        self.taken: dict[int, list[int]] = {}
        self._fail = fail

    def __call__(self, batch: Sequence[Result], sequence: int) -> None:
        self.given.append((sequence, [r.check_id for r in batch]))
        error = self._fail(len(self.given), batch)
        if error is None:
            self.taken[sequence] = [r.check_id for r in batch]
            return
        raise error

    @property
    def ids(self) -> list[int]:
        return [i for sequence in sorted(self.taken) for i in self.taken[sequence]]


def test_a_result_is_with_the_sink_within_250_ms_and_several_go_together() -> None:
    sink = Taking()
    box = Outbox(sink, Board())
    box.start()
    began = time.monotonic()
    for n in range(100):
        place = box.put(result(n))
    assert box.wait(place, 2.0)
    assert time.monotonic() - began < 5
    assert sink.ids == list(range(100))
    assert len(sink.taken) == 1
    assert box.stop() == 0


def test_batches_are_bounded_and_in_order() -> None:
    sink = Taking()
    box = Outbox(sink, Board(), every_s=0.01, batch=64)
    for n in range(1_000):
        box.put(result(n))
    box.start()
    assert box.stop() == 0
    assert sink.ids == list(range(1_000))
    assert max(len(ids) for ids in sink.taken.values()) == 64
    assert list(sink.taken) == list(range(1, 17))


def test_while_the_store_is_away_a_batch_is_kept_with_its_sequence_and_it_is_said() -> None:
    board = Board()
    sink = Taking(lambda n, batch: StoreError("the disk is full") if n <= 3 else None)
    box = Outbox(sink, board, every_s=0.02)
    box.start()
    box.put(result(1))
    time.sleep(0.05)
    place = box.put(result(2))
    assert box.wait(place, 5.0)
    assert sink.given[:4] == [(1, [1])] * 4  # the same batch, the same sequence
    assert sink.taken == {1: [1], 2: [2]}
    assert "the disk is full" in board.seen[0] and "results wait for the store since" in board.seen[0]
    assert NOTICE not in board.shown  # it is back: the notice is cleared
    assert box.stop() == 0


def test_the_oldest_are_dropped_and_counted_when_the_store_stays_away() -> None:
    away = threading.Event()
    board = Board()
    sink = Taking(lambda n, batch: None if away.is_set() else StoreError("away"))
    box = Outbox(sink, board, every_s=0.01, batch=10, capacity=100)
    box.start()
    box.put(result(0))
    while not sink.given:
        time.sleep(0.005)
    for n in range(1, 251):
        place = box.put(result(n))
    away.set()
    assert box.wait(place, 5.0)
    assert box.dropped == 150
    assert sink.ids == [0, *range(151, 251)]  # the batch under way is not changed; then the newest hundred
    assert box.waiting == 0 and box.stop() == 0


def test_a_result_that_the_store_refuses_does_not_hold_up_the_others() -> None:
    board = Board()
    sink = Taking(lambda n, batch: Invalid("no check 13") if any(r.check_id == 13 for r in batch) else None)
    box = Outbox(sink, board, every_s=0.05)
    box.start()
    for n in range(32):
        place = box.put(result(n))
    assert box.wait(place, 5.0)
    assert sink.ids == [n for n in range(32) if n != 13]
    assert box.refused == 1
    assert board.shown["collect.refused"] == "the store refused 1 results; the last: no check 13"
    sequences = [sequence for sequence, _ in sink.given]
    assert len(set(sequences)) == len(sequences)  # a refused batch was not committed: its parts have their own
    assert box.stop() == 0


def test_at_the_end_what_cannot_be_delivered_is_told() -> None:
    box = Outbox(Taking(lambda n, batch: StoreError("away")), Board(), every_s=0.01)
    box.start()
    for n in range(7):
        box.put(result(n))
    began = time.monotonic()
    assert box.stop(patience_s=0.3) == 7
    assert time.monotonic() - began < 2.0


def test_at_the_end_a_store_that_is_back_gets_everything() -> None:
    back = threading.Event()
    sink = Taking(lambda n, batch: None if back.is_set() else StoreError("away"))
    box = Outbox(sink, Board(), every_s=0.2)
    box.start()
    for n in range(7):
        box.put(result(n))
    time.sleep(0.5)
    back.set()
    assert box.stop(patience_s=3.0) == 0
    assert sink.ids == list(range(7))
