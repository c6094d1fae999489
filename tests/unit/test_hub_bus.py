"""The bus: in order, each once, bounded; what was missed is read from the log, what is lost is told."""

import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.errors import Invalid
from ckkit.hub import bus as bus_module
from ckkit.hub.bus import DROPPED, Bus, Told, Topics
from ckkit.model import Event

NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Log:
    """Stored events, as the store has them."""

    def __init__(self) -> None:
        self.stored: list[Event] = []
        self.reads = 0

    def events(self, since: int, topics: list[str], most: int) -> list[Event]:
        self.reads += 1
        return [e for e in self.stored if e.seq > since and (not topics or e.topic in topics)][:most]

    def last_seq(self) -> int:
        return self.stored[-1].seq if self.stored else 0

    def commit(self, bus: Bus, *topics: str) -> None:
        events = [event(self.last_seq() + n, topic) for n, topic in enumerate(topics, 1)]
        self.stored += events
        bus.tell(events)


def event(seq: int, topic: str = "nodes", **payload: object) -> Event:
    return Event(seq=seq, ts=NOW, topic=topic, payload=payload)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def bus(log: Log) -> Bus:
    return Bus(log, lambda: NOW, capacity=10)


def seqs(told: list[Told]) -> list[int]:
    return [one.event.seq for one in told]


@pytest.mark.parametrize(
    ("wanted", "topic", "is_wanted"),
    [
        (["nodes"], "nodes", True),
        (["nodes"], "nodes.more", False),
        (["jobs.*"], "jobs.failed", True),
        (["jobs.*"], "jobs", False),
        (["jobs.*", "nodes"], "nodes", True),
        (["*"], "anything", True),
        ([], "anything", True),
        ([""], "anything", True),
        (["nodes"], "checks", False),
    ],
)
def test_topics(wanted: list[str], topic: str, is_wanted: bool) -> None:
    assert (topic in Topics(wanted)) is is_wanted


@pytest.mark.parametrize("name", ["Nodes", "a b", "no%", "*.x", "a*", ".a"])
def test_no_topic(name: str) -> None:
    with pytest.raises(Invalid, match="no topic"):
        Topics([name])


def test_a_subscriber_gets_what_comes_after(bus: Bus, log: Log) -> None:
    log.commit(bus, "nodes", "nodes")
    woken: list[int] = []
    subscription = bus.subscribe(["nodes"], None, lambda: woken.append(1))
    log.commit(bus, "nodes", "checks", "nodes")
    assert seqs(bus.take(subscription)) == [3, 5]
    assert bus.take(subscription) == []
    assert woken == [1]  # once: it was empty before


def test_a_subscriber_that_comes_back_gets_what_it_missed(bus: Bus, log: Log) -> None:
    log.commit(bus, "nodes", "nodes", "checks", "nodes")
    subscription = bus.subscribe(["nodes"], 1, lambda: None)
    log.commit(bus, "nodes")
    assert seqs(bus.take(subscription)) == [2, 4, 5]


def test_what_is_in_queue_and_log_comes_once(bus: Bus, log: Log) -> None:
    subscription = bus.subscribe([], 0, lambda: None)
    log.commit(bus, "nodes", "nodes")  # in both
    assert seqs(bus.take(subscription)) == [1, 2]


def test_a_seq_of_another_store_counts_as_the_end(bus: Bus, log: Log) -> None:
    log.commit(bus, "nodes")
    subscription = bus.subscribe([], 4711, lambda: None)
    log.commit(bus, "nodes")
    assert seqs(bus.take(subscription)) == [2]


def test_a_slow_subscriber_reads_the_log(bus: Bus, log: Log) -> None:
    subscription = bus.subscribe([], None, lambda: None)
    bus.take(subscription)
    reads = log.reads
    log.commit(bus, *["nodes"] * 25)
    assert len(subscription._queue) <= 10
    assert seqs(bus.take(subscription)) == list(range(1, 26))
    assert (log.reads > reads, subscription.dropped) == (True, 0)


def test_what_is_not_stored_is_lost_to_the_slow_and_that_is_told(bus: Bus, log: Log) -> None:
    subscription = bus.subscribe([], None, lambda: None)
    for tick in range(25):
        bus.say("overview", tick=tick)
    told, *rest = bus.take(subscription)
    assert (told.event.topic, told.event.payload) == (DROPPED, {"count": 20})
    assert [one.event.payload["tick"] for one in rest] == list(range(20, 25))
    assert (subscription.dropped, bus.dropped) == (20, 20)
    bus.unsubscribe(subscription)
    assert bus.dropped == 20


def test_too_much_is_cut_and_told(bus: Bus, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "MOST", 8)
    log.commit(bus, *["nodes"] * 30)
    told, *rest = bus.take(bus.subscribe([], 0, lambda: None))
    assert (told.event.topic, told.event.payload) == (DROPPED, {"count": 22})
    assert seqs(rest) == list(range(23, 31))


@given(
    st.lists(st.sampled_from(["commit", "say", "take"]), max_size=60),
    st.integers(1, 5),
)
def test_stored_events_come_in_order_each_once(steps: list[str], capacity: int) -> None:
    log = Log()
    bus = Bus(log, lambda: NOW, capacity)
    subscription = bus.subscribe([], None, lambda: None)
    taken: list[int] = []
    for step in (*steps, "take"):
        if step == "commit":
            log.commit(bus, "nodes", "checks")
        elif step == "say":
            bus.say("overview")
        else:
            taken += [seq for seq in seqs(bus.take(subscription)) if seq]
    assert taken == [stored.seq for stored in log.stored]


def test_a_frame_is_made_once_and_has_an_id_when_stored() -> None:
    stored = Told(event(7, node="web0"))
    assert stored.frame.startswith(b'id: 7\ndata: {"seq":7,"ts":"2026-11-24T00:00:00Z","topic":"nodes"')
    assert stored.frame.endswith(b"\n\n") and stored.frame is stored.frame
    assert not Told(event(0)).frame.startswith(b"id:")


def test_whoever_unsubscribed_gets_nothing(bus: Bus, log: Log) -> None:
    subscription = bus.subscribe([], None, lambda: None)
    bus.unsubscribe(subscription)
    bus.unsubscribe(subscription)
    bus.say("overview")
    assert (list(subscription._queue), bus.subscribers) == ([], 0)


def test_followers_hear_everything_at_once(bus: Bus, log: Log) -> None:
    heard: list[Any] = []
    bus.follow(heard.append)
    log.commit(bus, "nodes", "checks")
    assert heard == [log.stored]


def test_a_thread_follows_and_is_stopped(bus: Bus, log: Log) -> None:
    got: list[int] = []
    two = threading.Event()
    with closing(bus.watch(["nodes"])) as events:

        def read() -> None:
            for one in events:
                got.append(one.seq)
                if len(got) == 2:
                    two.set()

        thread = threading.Thread(target=read)
        thread.start()
        log.commit(bus, "nodes", "nodes")
        assert two.wait(5)
    thread.join(5)
    assert (got, thread.is_alive(), bus.subscribers) == ([1, 2], False, 0)
