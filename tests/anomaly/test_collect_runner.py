"""Checks that misbehave: whatever one does, it gives a result each slot, and the others go on."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

import msgspec
import pytest

from ckkit.collect import runner
from ckkit.collect.catalogue import Catalogue
from ckkit.collect.runner import Collector
from ckkit.errors import CheckFailed, CkkitError, NotFound
from ckkit.model import Check, Metric, Node, Outcome, Result, State

NODE = Node(name="n")


class Plain:
    """What the check types of these tests have in common."""

    name: ClassVar[str] = ""
    help: ClassVar[str] = "For tests."
    local: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = ()

    class Params(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        pass

    def instances(self) -> tuple[str, ...]:
        return ()


class Good(Plain):
    async def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
        return Outcome(values={"one": 1.0}, status="fine")


class Raises(Plain):
    async def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
        raise {"failed": CheckFailed("no route"), "bug": KeyError("port"), "assert": AssertionError()}[instance]


class RaisesInThread(Plain):
    def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
        if instance == "exit":
            sys.exit("enough")
        if instance == "deep":
            return self.run(node, params, instance, timeout_s)
        raise ZeroDivisionError("division by zero")


class Exits(Plain):
    async def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
        raise SystemExit(3) if instance == "exit" else KeyboardInterrupt


class Hangs(Plain):
    async def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
        await asyncio.sleep(3600)
        raise AssertionError


class HangsStubbornly(Plain):
    """Does not end when it is cancelled, until `release`."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.runs = 0

    async def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
        self.runs += 1
        while not self.release.is_set():
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                continue
        return Outcome(status="late")


class HangsInThread(Plain):
    def __init__(self) -> None:
        self.release = threading.Event()
        self.runs = 0

    def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
        self.runs += 1
        self.release.wait(60)
        return Outcome(status="late")


class Prints(Plain):
    async def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
        hundred_megabytes = "line of output\n" * (100_000_000 // 15)
        if instance == "raises":
            raise RuntimeError(hundred_megabytes)
        return Outcome(status=hundred_megabytes, values={f"m{n}": 1.0 for n in range(100_000)})


class Nonsense(Plain):
    def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
        return {"none": None, "values": Outcome(values=None), "state": Outcome(state="weird")}[instance]  # type: ignore


class Blocks(Plain):
    """A coroutine that waits without `await`."""

    async def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
        time.sleep(2.5)
        return Outcome()


class Board:
    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        self.seen: dict[str, str] = {}

    def raise_(self, key: str, level: str, text: str) -> None:
        self.shown[key] = self.seen[key] = text

    def clear(self, key: str) -> None:
        self.shown.pop(key, None)


class Run:
    """A collector with its results at hand."""

    def __init__(self, **types: Any) -> None:
        self.results: list[Result] = []
        self.board = Board()
        self.shift = timedelta(0)  # of the wall clock
        self.collector = Collector(
            self.sink, self.board, catalogue=Catalogue({"good": Good(), **types}), clock=self.clock, threads=2
        )
        self.names: dict[int, str] = {}

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def sink(self, batch: Sequence[Result], sequence: int) -> None:
        self.results.extend(batch)

    def watch(self, *names: str, every: float = 0.2, timeout: float = 0.1) -> None:
        checks = []
        for number, name in enumerate(names, 1):
            kind, _, instance = name.partition(":")
            self.names[number] = name
            span, limit = timedelta(seconds=every), timedelta(seconds=timeout)
            checks.append(Check(node="n", type=kind, instance=instance, check_id=number, every=span, timeout=limit))
        self.collector.set_checks(checks, [NODE])

    def of(self, name: str) -> list[Result]:
        return [result for result in list(self.results) if self.names[result.check_id] == name]

    def until(self, true: Callable[[], Any], patience_s: float = 10.0) -> None:
        end = time.monotonic() + patience_s
        while not true():
            assert time.monotonic() < end, f"not within {patience_s} s; {self.collector.counters()}"
            time.sleep(0.01)


@pytest.fixture
def start() -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def make(**types: Any) -> Run:
        run = Run(**types)
        made.append(run)
        run.collector.start()
        return run

    yield make
    for run in made:
        for kind in run.collector.catalogue.types.values():
            if hasattr(kind, "release"):
                kind.release.set()
        assert run.collector.stop() == 0


def steady(run: Run, name: str, every: float = 0.2) -> bool:
    """Each slot has one result: on the grid, none twice, and none missing but those that were skipped and counted."""
    times = sorted(result.ts for result in run.of(name))
    steps = [(b - a).total_seconds() / every for a, b in pairwise(times)]
    on_grid = all(step >= 1 and abs(step - round(step)) < 1e-6 for step in steps)
    return on_grid and sum(steps) - len(steps) <= run.collector.counters()["skipped"]


def test_checks_that_raise_give_their_reason_and_the_others_go_on(start: Callable[..., Run]) -> None:
    run = start(raises=Raises(), thread=RaisesInThread(), exits=Exits(), nonsense=Nonsense())
    told = {
        "raises:failed": "no route",
        "raises:bug": "KeyError: 'port'",
        "raises:assert": "AssertionError",
        "thread:": "ZeroDivisionError: division by zero",
        "thread:exit": "SystemExit: enough",
        "thread:deep": "RecursionError: maximum recursion depth exceeded",
        "exits:exit": "RuntimeError: the check raised SystemExit",
        "exits:key": "RuntimeError: the check raised KeyboardInterrupt",
        "nonsense:none": "the check returned a NoneType, not an Outcome: a bug of the check",
        "nonsense:values": "AttributeError: 'NoneType' object has no attribute 'items'",
        "nonsense:state": "ValueError: 'weird' is not a valid State",
    }
    run.watch("good", *told, timeout=0.19)
    run.until(lambda: len(run.of("good")) >= 5)
    for name, said in told.items():
        assert run.of(name), name
        for result in run.of(name):
            assert result.state is State.ERR and not result.values
            assert result.status.startswith(said), result.status
        assert steady(run, name)
    assert all(result.state is State.OK for result in run.of("good"))
    assert steady(run, "good")
    assert run.collector.counters()["errors"] >= len(told)


def test_a_check_that_hangs_is_a_time_out_each_slot(start: Callable[..., Run]) -> None:
    run = start(hangs=Hangs())
    run.watch("good", "hangs", every=0.8, timeout=0.1)
    run.until(lambda: len(run.of("hangs")) >= 3)
    for result in run.of("hangs"):
        assert (result.state, result.status) == (State.ERR, "time-out: not done after 0.1 s")
        assert 0.1 <= result.took_seconds < 0.7
    assert steady(run, "hangs", 0.8)
    assert run.collector.counters()["timeouts"] >= 3
    assert run.collector.counters()["hanging"] == 0


@pytest.mark.parametrize("make", [HangsStubbornly, HangsInThread])
def test_what_cannot_be_stopped_is_left_alone_and_not_started_again(start: Callable[..., Run], make: Any) -> None:
    kind = make()
    run = start(stuck=kind)
    run.watch("good", "stuck", every=1.0, timeout=0.1)
    run.until(lambda: len(run.of("stuck")) >= 3)
    first, *others = sorted(run.of("stuck"), key=lambda r: r.ts)
    assert first.status == "time-out: not done after 0.1 s"
    for result in others:
        assert result.state is State.ERR and result.status.startswith("still running since ")
    assert kind.runs == 1
    assert run.collector.counters()["hanging"] == 1
    assert steady(run, "stuck", 1.0) and len(run.of("good")) >= 3
    with pytest.raises(CkkitError, match="n/stuck hangs since"):
        run.collector.run_now("n/stuck")
    kind.release.set()
    run.until(lambda: run.collector.counters()["hanging"] == 0)
    run.until(lambda: run.of("stuck")[-1].status == "late")  # and now it is started again, and answers


def test_threads_that_hang_do_not_take_those_of_the_others(start: Callable[..., Run]) -> None:
    kind = HangsInThread()
    run = start(stuck=kind, load=RaisesInThread())
    run.watch("load", *(f"stuck:{n}" for n in range(20)), every=0.5, timeout=0.1)  # 20 hang, the pool has 2
    run.until(lambda: run.collector.counters()["hanging_threads"] == 20)
    done = len(run.of("load"))
    run.until(lambda: len(run.of("load")) >= done + 3)
    assert run.of("load")[-1].status == "ZeroDivisionError: division by zero"


def test_a_check_that_prints_100_megabytes_is_cut_and_it_is_said(start: Callable[..., Run]) -> None:
    run = start(prints=Prints())
    run.watch("prints:", "prints:raises", every=5.0, timeout=5.0)
    for name in ("prints:", "prints:raises"):
        result = run.collector.run_now(f"n/{name.rstrip(':')}")
        assert len(result.status) <= 500 and "\n" not in result.status
        assert len(result.values) <= 256
    whole, raised = (run.of(name)[-1].status for name in ("prints:", "prints:raises"))
    assert whole.startswith("line of output line of output")
    assert "(99999990 characters)" in whole and "[left out: 99744 values more than 256]" in whole
    assert raised.startswith("RuntimeError: line of output") and "characters)" in raised


def test_a_coroutine_that_holds_up_the_loop_is_named(
    start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "BLOCKED_S", 0.5)
    run = start(blocks=Blocks())
    run.watch("blocks", "good", every=60.0, timeout=1.0)
    threading.Thread(target=lambda: run.collector.run_now("n/blocks"), daemon=True).start()
    run.until(lambda: "collect.blocked" in run.board.seen)
    assert "n/blocks holds the loop up" in run.board.seen["collect.blocked"]
    run.until(lambda: "collect.blocked" not in run.board.shown)


def test_the_clock_jumps_forward(start: Callable[..., Run]) -> None:
    run = start()
    run.watch("good", *(f"good:{n}" for n in range(50)), every=1.0, timeout=0.5)
    run.until(lambda: len(run.of("good")) >= 1)
    before = len(run.results)
    run.shift = timedelta(hours=1)
    time.sleep(1.6)
    counted = run.collector.counters()
    assert 51 * 3598 <= counted["skipped"] <= 51 * 3602
    assert len(run.results) - before <= 3 * 51  # no flood
    jumped = [r for r in run.results if r.ts > datetime.now(UTC) + timedelta(minutes=30)]
    assert {r.check_id for r in jumped} == set(run.names)  # no stall
    assert len({(r.check_id, r.ts) for r in run.results}) == len(run.results)


def test_the_clock_jumps_back(start: Callable[..., Run]) -> None:
    run = start()
    run.watch("good", *(f"good:{n}" for n in range(50)), every=1.0, timeout=0.5)
    run.until(lambda: len(run.of("good")) >= 2)
    run.shift = timedelta(hours=-1)
    run.until(
        lambda: len({r.check_id for r in list(run.results) if r.ts < datetime.now(UTC) - timedelta(minutes=30)}) == 51,
        4.0,
    )
    assert run.collector.counters()["clock_back"] >= 51
    assert len({(r.check_id, r.ts) for r in run.results}) == len(run.results)


def test_a_check_that_is_taken_away_in_mid_run_gives_no_result(start: Callable[..., Run]) -> None:
    run = start(hangs=Hangs())
    run.watch("hangs", every=1.0, timeout=0.9)
    run.until(lambda: run.collector.counters()["running"] == 1)
    run.collector.set_checks([], [])
    run.until(lambda: run.collector.counters()["running"] == 0)
    time.sleep(0.4)
    assert not [r for r in run.results if "time-out" not in r.status]
    with pytest.raises(NotFound, match="no check 'n/hangs' is watched"):
        run.collector.run_now("n/hangs")


def test_a_check_without_its_type_says_so_each_slot(start: Callable[..., Run]) -> None:
    run = start()
    run.watch("goood", "good")
    run.until(lambda: len(run.of("goood")) >= 2)
    assert {r.status for r in run.of("goood")} == {"there is no check type 'goood': did you mean 'good'?"}


def test_run_now_waits_for_the_slot_that_is_under_way_and_overlaps_nothing(start: Callable[..., Run]) -> None:
    class Counts(Plain):
        at_once = most = 0

        async def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome:
            Counts.at_once += 1
            Counts.most = max(Counts.most, Counts.at_once)
            await asyncio.sleep(0.05)
            Counts.at_once -= 1
            return Outcome()

    run = start(counts=Counts())
    run.watch("counts", every=0.2, timeout=0.2)
    threads = [threading.Thread(target=run.collector.run_now, args=("n/counts",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert Counts.most == 1
    assert len(run.results) >= 8


def test_stopping_takes_what_hangs_no_longer_than_its_patience(start: Callable[..., Run]) -> None:
    kinds = {"stubborn": HangsStubbornly(), "thread": HangsInThread(), "hangs": Hangs()}
    run = Run(**kinds)
    run.collector.start()
    run.watch("good", *kinds, every=0.5, timeout=0.2)
    run.until(lambda: run.collector.counters()["hanging"] >= 2)
    began = time.monotonic()
    assert run.collector.stop() == 0
    assert time.monotonic() - began < 4.0
    for kind in kinds.values():
        if hasattr(kind, "release"):
            kind.release.set()
