"""Threads that may hang: bounded, replaced, and never made to wait for one another."""

import threading
import time
from collections.abc import Iterator

import pytest

from ckkit.collect.threads import Threads


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hangs until the test ends."""
    event = threading.Event()
    yield event
    event.set()


def names(prefix: str) -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(prefix)]


def eventually(true: object, patience_s: float = 3.0) -> bool:
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if true():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False


def test_calls_are_made_and_their_failures_kept() -> None:
    threads = Threads(2, name="t-calls")
    assert threads.submit(lambda: 41 + 1).result(2) == 42
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(2)
    with pytest.raises(SystemExit):
        threads.submit(lambda: exit(3)).result(2)  # what a plugin may do: the thread goes on
    assert threads.submit(lambda: "still here").result(2) == "still here"
    threads.close()
    assert eventually(lambda: not names("t-calls"))


def test_no_more_than_its_size_work_at_once(gate: threading.Event) -> None:
    threads = Threads(3, name="t-size")
    calls = [threads.submit(gate.wait) for _ in range(10)]
    time.sleep(0.1)
    assert len(names("t-size")) == 3
    assert sum(call.running() for call in calls) == 3
    gate.set()
    assert [call.result(2) for call in calls] == [True] * 10
    threads.close()


def test_a_thread_that_hangs_is_replaced_and_goes_when_it_is_back(gate: threading.Event) -> None:
    threads = Threads(1, name="t-hang", spare=4)
    hangs = threads.submit(gate.wait)
    waits = threads.submit(lambda: "done")
    assert not eventually(waits.done, 0.1)
    assert threads.abandon(hangs) is True
    assert waits.result(2) == "done"
    assert (threads.hanging, len(names("t-hang"))) == (1, 2)
    gate.set()
    assert eventually(lambda: threads.hanging == 0 and len(names("t-hang")) == 1)
    assert threads.submit(lambda: "again").result(2) == "again"
    threads.close()


def test_replacements_are_bounded(gate: threading.Event) -> None:
    threads = Threads(1, name="t-spare", spare=2)
    for _ in range(3):
        call = threads.submit(gate.wait)
        assert eventually(call.running, 1.0) and threads.abandon(call)
    starved = threads.submit(lambda: "never")
    assert not eventually(starved.done, 0.1)
    assert threads.abandon(starved) is False  # it never began: nothing hangs with it
    assert starved.cancelled()
    assert len(names("t-spare")) == 3
    threads.close()


def test_what_waits_is_cancelled_at_the_end(gate: threading.Event) -> None:
    threads = Threads(1, name="t-close")
    threads.submit(gate.wait)
    waits = threads.submit(lambda: "never")
    threads.close()
    assert waits.cancelled()
    with pytest.raises(RuntimeError):
        threads.submit(lambda: None)
