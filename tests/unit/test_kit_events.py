"""Events: a thread reads, the callback runs in the loop; fast ones come together, failures are told."""

import asyncio
import logging
import queue
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ckkit.errors import HubUnreachable
from ckkit.kit.events import Subscription
from ckkit.kit.kit import Kit
from ckkit.model import Event


class Line:
    """The watching part of a wire, fed by the test: an event is yielded, an error raised, None ends it."""

    def __init__(self) -> None:
        self.fed: queue.Queue[Event | Exception | None] = queue.Queue()
        self.asked: list[tuple[tuple[str, ...], int | None]] = []

    def watch(self, topics: Iterable[str], since: int | None = None) -> Iterator[Event]:
        self.asked.append((tuple(topics), since))
        while (item := self.fed.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item


def event(seq: int, topic: str = "nodes") -> Event:
    return Event(seq=seq, ts=datetime(2026, 11, 24, tzinfo=UTC), topic=topic)


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.fed.put(None)


def kit(line: Line) -> Kit:
    return Kit(line)  # type: ignore[arg-type]  only its `watch` is asked


def test_a_callback_in_a_loop_is_called_in_that_loop(line: Line) -> None:
    got: list[tuple[int, int]] = []

    async def notebook() -> None:
        done = asyncio.Event()

        def show(events: list[Event]) -> None:
            got.extend((e.seq, threading.get_ident()) for e in events)
            if len(got) == 2:
                done.set()

        subscription = kit(line).events.on("nodes", show, since=7)
        line.fed.put(event(8))
        line.fed.put(event(9))
        await asyncio.wait_for(done.wait(), 5)
        subscription.stop()

    asyncio.run(notebook())
    assert got == [(8, threading.get_ident()), (9, threading.get_ident())]
    assert line.asked == [(("nodes",), 7)]


def test_events_that_come_while_the_loop_is_busy_are_given_together(line: Line) -> None:
    calls: list[list[int]] = []

    async def notebook() -> None:
        subscription = kit(line).events.on(["nodes", "checks"], lambda events: calls.append([e.seq for e in events]))
        for seq in range(1, 101):
            line.fed.put(event(seq))
        # The loop is busy, as a page is that draws; the thread reads on.
        while not line.fed.empty():
            threading.Event().wait(0.005)
        threading.Event().wait(0.05)
        await asyncio.sleep(0.05)
        subscription.stop()

    asyncio.run(notebook())
    assert [seq for call in calls for seq in call] == list(range(1, 101))
    assert len(calls) <= 2


def test_without_a_loop_it_is_called_in_the_reading_thread(line: Line) -> None:
    got: queue.Queue[tuple[int, str]] = queue.Queue()
    subscription = kit(line).events.on("nodes", lambda events: got.put((len(events), threading.current_thread().name)))
    line.fed.put(event(1))
    assert got.get(timeout=5) == (1, "events nodes")
    subscription.stop()


def test_a_coroutine_function_is_awaited(line: Line) -> None:
    got: list[int] = []

    async def notebook() -> None:
        done = asyncio.Event()

        async def show(events: list[Event]) -> None:
            await asyncio.sleep(0)
            got.append(events[0].seq)
            done.set()

        subscription = kit(line).events.on("nodes", show)
        line.fed.put(event(1))
        await asyncio.wait_for(done.wait(), 5)
        subscription.stop()

    asyncio.run(notebook())
    assert got == [1]


def test_what_a_callback_raises_is_logged_and_the_next_event_still_comes(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    got: queue.Queue[int] = queue.Queue()

    def show(events: list[Event]) -> None:
        got.put(events[0].seq)
        if events[0].seq == 1:
            raise ValueError("no such widget")

    subscription = kit(line).events.on("nodes", show)
    with caplog.at_level(logging.ERROR, "ckkit.kit.events"):
        line.fed.put(event(1))
        assert got.get(timeout=5) == 1
        line.fed.put(event(2))
        assert got.get(timeout=5) == 2
    assert subscription.running
    assert [str(error) for error in subscription.errors] == ["no such widget"]
    assert "the callback of an event failed (topics nodes)" in caplog.text
    assert "no such widget" in caplog.text
    subscription.stop()


def test_a_failing_coroutine_is_told_too(line: Line) -> None:
    async def notebook() -> Subscription:
        async def show(events: list[Event]) -> None:
            raise ValueError("later")

        subscription = kit(line).events.on("nodes", show)
        line.fed.put(event(1))
        for _ in range(500):
            if subscription.errors:
                break
            await asyncio.sleep(0.01)
        subscription.stop()
        return subscription

    assert [str(error) for error in asyncio.run(notebook()).errors] == ["later"]


def test_after_stop_nothing_is_called(line: Line) -> None:
    got: list[Any] = []

    async def notebook() -> Subscription:
        subscription = kit(line).events.on("nodes", got.append)
        subscription.stop()
        subscription.stop()
        line.fed.put(event(1))
        await asyncio.sleep(0.05)
        return subscription

    subscription = asyncio.run(notebook())
    assert got == []
    assert not subscription.running
    assert repr(subscription) == "<subscription to nodes: stopped>"


def test_a_reading_that_ends_in_an_error_is_told(line: Line) -> None:
    subscription = kit(line).events.on("nodes", print)
    line.fed.put(HubUnreachable("no hub answers"))
    subscription._thread.join(5)
    assert [str(error) for error in subscription.errors] == ["no hub answers"]
    assert not subscription.running


def test_watch_yields_events_and_takes_one_topic_as_a_word(line: Line) -> None:
    events = kit(line).events.watch("nodes")
    line.fed.put(event(1))
    assert next(events).seq == 1
    assert line.asked == [(("nodes",), None)]
