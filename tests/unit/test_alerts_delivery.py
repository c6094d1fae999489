"""Delivery: repeated until it is taken, recorded after it was made, and nobody waits for it."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from ckkit.alerts.delivery import Delivery, Job
from ckkit.alerts.judges import News
from ckkit.alerts.notifiers.memory import MemoryNotifier
from ckkit.alerts.reasons import Reason
from ckkit.errors import DeliveryFailed, StoreFull
from ckkit.model import Address, Alert, Level, Message, Node, Status

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATIENCE_S = 10


def job(alert_id=1, address="oncall", kind="memory"):
    alert = Alert(
        monitor="m", node="n", check="c", check_id=1, status=Status.FIRING, level=Level.CRITICAL, slot=NOW, reason=""
    )
    return Job(
        alert_id=alert_id,
        news=News(alert=alert, node=Node(name="n"), address=address),
        reason=Reason.FIRST,
        message=Message(title=f"t{alert_id}", text="", html="", kind="problem", level=Level.CRITICAL, payload={}),
        address=Address(name=address, url="memory://", kind=kind),
    )


class Records:
    """Keeps the attempts, and can wait for them."""

    def __init__(self):
        self.made, self._changed, self.fail = [], threading.Condition(), 0

    def __call__(self, attempt):
        with self._changed:
            if self.fail:
                self.fail -= 1
                raise StoreFull("no room")
            self.made.append(attempt)
            self._changed.notify_all()

    def wait(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.made) >= count, PATIENCE_S), self.made
            return [attempt.outcome for attempt in self.made]


@pytest.fixture
def begun():
    made = []

    def begin(notifier, wait=lambda attempt, error: timedelta(milliseconds=1)):
        records = Records()
        delivery = Delivery({"memory": notifier}, records, lambda: NOW, time.monotonic, wait)
        made.append(delivery)
        return delivery, records

    yield begin
    for delivery in made:
        delivery.stop(1.0)


def settled(delivery):
    deadline = time.monotonic() + PATIENCE_S
    while delivery.in_flight():
        assert time.monotonic() < deadline, delivery.in_flight()
        time.sleep(0.005)


def failing(times, error):
    """An answer that fails so many times."""
    left = [times]

    def answer(message, address):
        if left[0]:
            left[0] -= 1
            raise error
        return "taken"

    return answer


def test_what_is_taken_is_recorded_once_with_its_answer(begun):
    delivery, records = begun(MemoryNotifier())
    assert delivery.submit(job())
    assert records.wait(1) == [Reason.DELIVERED]
    settled(delivery)
    (attempt,) = records.made
    assert (attempt.answer, attempt.job.attempt, attempt.again) == ("kept", 1, None)


def test_every_attempt_is_recorded_until_it_is_taken(begun):
    notifier = MemoryNotifier(failing(2, DeliveryFailed("it answered 500")))
    delivery, records = begun(notifier)
    delivery.submit(job())
    assert records.wait(3) == [Reason.RETRY, Reason.RETRY, Reason.DELIVERED]
    assert [attempt.job.attempt for attempt in records.made] == [1, 2, 3]
    assert records.made[0].answer == "it answered 500"
    assert len(notifier.sent) == 1


def test_a_refusal_is_the_last_word(begun):
    delivery, records = begun(MemoryNotifier(failing(9, DeliveryFailed("404", final=True))), wait=lambda a, e: None)
    delivery.submit(job())
    assert records.wait(1) == [Reason.REFUSED]
    settled(delivery)


def test_a_notifier_that_breaks_counts_as_a_failed_attempt_and_tells_no_secret(begun):
    delivery, records = begun(MemoryNotifier(failing(1, KeyError("https://token@host"))))
    delivery.submit(job())
    assert records.wait(2) == [Reason.RETRY, Reason.DELIVERED]
    assert "token" not in records.made[0].answer
    assert "KeyError" in records.made[0].answer


def test_a_kind_without_a_notifier_is_told(begun):
    delivery, records = begun(MemoryNotifier(), wait=lambda a, e: None if e.details.get("final") else timedelta(0))
    delivery.submit(job(kind="pigeon"))
    assert records.wait(1) == [Reason.REFUSED]
    assert records.made[0].answer == "address oncall: there is no notifier 'pigeon': there are memory"


def test_what_is_in_flight_is_not_taken_twice(begun):
    hold = threading.Event()
    notifier = MemoryNotifier(lambda message, address: str(hold.wait(PATIENCE_S)))
    delivery, records = begun(notifier)
    assert delivery.submit(job())
    assert not delivery.submit(job())
    assert delivery.submit(job(alert_id=2))
    assert set(delivery.in_flight()) == {(1, "oncall"), (2, "oncall")}
    hold.set()
    records.wait(2)
    settled(delivery)
    assert delivery.submit(job())


def test_a_receiver_that_hangs_holds_up_no_other(begun):
    hold = threading.Event()

    def answer(message, address):
        return str(hold.wait(PATIENCE_S)) if address.name == "slow" else "taken"

    delivery, records = begun(MemoryNotifier(answer))
    begin = time.monotonic()
    for number in range(20):
        delivery.submit(job(number, "slow"))
    delivery.submit(job(99, "quick"))
    assert time.monotonic() - begin < 1
    records.wait(1)
    assert records.made[0].job.address.name == "quick"
    hold.set()
    records.wait(21)


def test_it_is_recorded_after_the_send_and_in_flight_until_then(begun):
    delivery, records = begun(MemoryNotifier())
    records.fail = 1
    delivery.submit(job())
    time.sleep(0.2)
    assert delivery.in_flight()  # sent, but the disk is full: not decided anew
    assert records.wait(1) == [Reason.DELIVERED]
    settled(delivery)
    assert len(delivery.notifiers["memory"].sent) == 1


def test_what_is_withdrawn_is_not_attempted_again(begun):
    delivery, records = begun(MemoryNotifier(failing(9, DeliveryFailed("500"))), wait=lambda a, e: timedelta(hours=1))
    delivery.submit(job())
    records.wait(1)
    delivery.withdraw((1, "oncall"))
    assert records.wait(2) == [Reason.RETRY, Reason.WITHDRAWN]
    settled(delivery)
    assert delivery.notifiers["memory"].sent == []


def test_withdrawing_what_is_not_there_withdraws_nothing_later(begun):
    delivery, records = begun(MemoryNotifier())
    delivery.withdraw((1, "oncall"))
    delivery.submit(job())
    assert records.wait(1) == [Reason.DELIVERED]


def test_stopping_does_not_wait_for_the_hour_of_the_next_attempt(begun):
    delivery, records = begun(MemoryNotifier(failing(9, DeliveryFailed("500"))), wait=lambda a, e: timedelta(hours=1))
    delivery.submit(job())
    records.wait(1)
    begin = time.monotonic()
    delivery.stop()
    assert time.monotonic() - begin < 1
    assert not delivery.submit(job(2))


def test_send_once_now(begun):
    delivery, _ = begun(MemoryNotifier(failing(1, DeliveryFailed("500"))))
    with pytest.raises(DeliveryFailed):
        delivery.send(job().message, job().address)
    assert delivery.send(job().message, job().address) == "taken"
