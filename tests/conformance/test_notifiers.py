"""
Every notifier, found by its entry point, against receivers that are real: a mail server and a web server.

A new notifier is tested by one line in RECEIVERS: the URL at which the web or the mail server takes its messages.
"""

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from aiohttp import web
from aiosmtpd.controller import Controller

from ckkit.alerts.notifiers.apprise import clean
from ckkit.alerts.notifiers.memory import MemoryNotifier
from ckkit.errors import DeliveryFailed
from ckkit.model import Address, Level, Message
from ckkit.plugins import discover
from ckkit.protocols import Notifier

SECRET = "hunter2token"
MESSAGE = Message(
    title="CRITICAL: disk_full on web0 (disk:/)",
    text="CRITICAL: disk_full on web0\n\nmeasured:   used_ratio = 0.95 (95.0 %)\nnode:       web0 <&>",
    html="<h3>CRITICAL: disk_full on web0</h3><table><tr><th>measured</th><td>used_ratio = 0.95</td></tr></table>",
    kind="problem",
    level=Level.CRITICAL,
    payload={"severity": "ERROR", "check": "DISK - /", "ckkit": {"kind": "problem", "key": "k1", "value": 0.95}},
)
RECEIVERS = {
    "webhook": "{web}/{secret}/hook",
    "apprise": "{json}/{secret}/hook",
    "memory": "memory://{secret}",
}
NETWORK = ("webhook", "apprise")


def plugins():
    found = discover("ckkit.notifiers")
    assert found.broken == {}
    return found.found


@dataclass
class Receiver:
    """A web server on a thread. `status` is what it answers; `hang` is for how long it does not."""

    port: int = 0
    status: int = 200
    hang: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[dict, dict]] = field(default_factory=list)

    async def take(self, request):
        self.seen.append((dict(request.headers), json.loads(await request.text())))
        await asyncio.sleep(self.hang)
        return web.Response(status=self.status, text="thanks", headers=self.headers)


@contextmanager
def serving(receiver):
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def begin():
        app = web.Application()
        app.router.add_post("/{tail:.*}", receiver.take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.port = runner.addresses[0][1]
        ready.set()
        return runner

    def run():
        runner = loop.run_until_complete(begin())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@pytest.fixture
def receiver():
    with serving(Receiver()) as found:
        yield found


def address(name, receiver, timeout=5.0, port=None):
    port = port or receiver.port
    url = RECEIVERS[name].format(web=f"http://127.0.0.1:{port}", json=f"json://127.0.0.1:{port}", secret=SECRET)
    return Address(name="oncall", kind=name, url=url, timeout=timedelta(seconds=timeout))


def test_every_notifier_that_is_installed_is_tested():
    assert plugins().keys() == RECEIVERS.keys()


@pytest.mark.parametrize("name", sorted(RECEIVERS))
def test_it_keeps_the_contract(name, receiver):
    notifier = plugins()[name]()
    assert isinstance(notifier, Notifier)
    assert notifier.name == name
    answer = notifier.send(MESSAGE, address(name, receiver))
    assert answer
    assert "\n" not in answer
    assert SECRET not in answer


@pytest.mark.parametrize("name", NETWORK)
def test_a_message_arrives_once_and_whole(name, receiver):
    plugins()[name]().send(MESSAGE, address(name, receiver))
    ((_, body),) = receiver.seen
    said = json.dumps(body)
    assert "disk_full" in said or body == dict(MESSAGE.payload)


@pytest.mark.parametrize("name", NETWORK)
@pytest.mark.parametrize(
    ("status", "final"), [(500, False), (503, False), (429, False), (408, False), (404, True), (403, True), (400, True)]
)
def test_a_refusal_is_final_and_a_breakdown_is_not(name, status, final, receiver):
    receiver.status = status
    with pytest.raises(DeliveryFailed) as caught:
        plugins()[name]().send(MESSAGE, address(name, receiver))
    assert bool(caught.value.details.get("final")) is final
    assert "oncall" in caught.value.message
    assert str(status) in caught.value.message
    assert SECRET not in caught.value.message


@pytest.mark.parametrize("name", NETWORK)
def test_a_receiver_that_hangs_is_given_up_at_the_time_limit(name, receiver):
    receiver.hang = 6.0
    begun = time.monotonic()
    with pytest.raises(DeliveryFailed) as caught:
        plugins()[name]().send(MESSAGE, address(name, receiver, timeout=0.5))
    assert time.monotonic() - begun < 3
    assert not caught.value.details.get("final")
    assert "0.5 s" in caught.value.message
    assert SECRET not in caught.value.message


@pytest.mark.parametrize("name", NETWORK)
def test_nobody_there_is_told_without_the_url(name, receiver, free_port):
    with pytest.raises(DeliveryFailed) as caught:
        plugins()[name]().send(MESSAGE, address(name, receiver, port=free_port))
    assert not caught.value.details.get("final")
    assert SECRET not in str(caught.value)
    assert SECRET not in str(caught.value.details)
    assert caught.value.__cause__ is None  # its text may hold the URL


@pytest.fixture
def free_port():
    """A port on which nobody listens."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("name", NETWORK)
def test_an_unusable_url_is_final(name):
    bad = Address(name="oncall", kind=name, url=f"nonsense {SECRET}", timeout=timedelta(seconds=1))
    with pytest.raises(DeliveryFailed) as caught:
        plugins()[name]().send(MESSAGE, bad)
    assert caught.value.details.get("final") is True
    assert SECRET not in caught.value.message


def test_the_webhook_sends_the_payload_and_a_key_to_know_repeats_by(receiver):
    plugins()["webhook"]().send(MESSAGE, address("webhook", receiver))
    ((headers, body),) = receiver.seen
    assert body == dict(MESSAGE.payload)
    assert headers["Idempotency-Key"] == "k1"
    assert headers["Content-Type"] == "application/json"


def test_the_webhook_does_as_it_is_asked_to_wait(receiver):
    receiver.status, receiver.headers = 429, {"Retry-After": "17"}
    with pytest.raises(DeliveryFailed) as caught:
        plugins()["webhook"]().send(MESSAGE, address("webhook", receiver))
    assert caught.value.details["retry_after_s"] == 17


def test_the_webhook_does_not_carry_a_message_elsewhere(receiver):
    receiver.status, receiver.headers = 302, {"Location": f"http://127.0.0.1:{receiver.port}/other"}
    with pytest.raises(DeliveryFailed) as caught:
        plugins()["webhook"]().send(MESSAGE, address("webhook", receiver))
    assert caught.value.details["final"] is True
    assert len(receiver.seen) == 1


class Mailbox:
    """A mail server's handler that keeps what it is given, or says what it is told to say."""

    def __init__(self):
        self.mails = []
        self.answer = "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.answer.startswith("250"):
            self.mails.append(message_from_bytes(envelope.original_content, policy=policy.default))
        return self.answer


@pytest.fixture
def mailbox(free_port):
    box = Mailbox()
    box.port = free_port
    server = Controller(box, hostname="127.0.0.1", port=free_port)
    server.start()
    try:
        yield box
    finally:
        server.stop()


def mail(box):
    url = f"mailto://127.0.0.1:{box.port}?from=ckkit@example.org&to=ops@example.org&mode=insecure"
    return Address(name="oncall", kind="apprise", url=url, timeout=timedelta(seconds=5))


def test_a_mail_arrives_with_title_and_text(mailbox):
    plugins()["apprise"]().send(MESSAGE, mail(mailbox))
    (got,) = mailbox.mails
    assert got["Subject"] == MESSAGE.title
    assert "ops@example.org" in got["To"]
    assert "used_ratio = 0.95" in got.get_body(("html", "plain")).get_content()


def test_a_mail_that_is_not_taken_is_told(mailbox):
    mailbox.answer = "451 try later"
    with pytest.raises(DeliveryFailed) as caught:
        plugins()["apprise"]().send(MESSAGE, mail(mailbox))
    assert not caught.value.details.get("final")
    assert mailbox.mails == []


def test_memory_keeps_in_order_and_can_be_told_to_fail():
    kept = MemoryNotifier()
    to = Address(name="a", kind="memory", url="memory://")
    assert kept.send(MESSAGE, to) == "kept"
    assert kept.sent == [("a", MESSAGE)]

    def refuse(message, address):
        raise DeliveryFailed("no", final=True)

    kept.answer = refuse
    with pytest.raises(DeliveryFailed):
        kept.send(MESSAGE, to)
    assert len(kept.sent) == 1


def test_no_word_of_a_url_stays_in_what_is_told():
    url = "mailtos://someone:s3cr3t%21pass@mail.example.org/?to=boss@example.org"
    said = clean("cannot log in at mail.example.org as someone with s3cr3t!pass for boss@example.org", url)
    for word in ("someone", "s3cr3t", "boss"):
        assert word not in said
