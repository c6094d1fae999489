"""
From a check to a person: a hub as a process, endpoints that break in every way, a mail server and a web server that
are told, once when it breaks and once when it is back; also over a hub that is killed.
"""

import asyncio
import json
import threading
import time
from email import message_from_bytes, policy

import pytest
from aiohttp import web
from aiosmtpd.controller import Controller

PATIENCE_S = 40
TOML = """
[hub]
port = 0
evaluate_every = "1s"
deadline = "500ms"

[collect]
every = "1s"
timeout = "800ms"

[this_machine]
enabled = false

[[nodes]]
name = "shop"
tags = ["web"]
address = "127.0.0.1"

{checks}

[addresses.hook]
kind = "webhook"
url_env = "HOOK_URL"

[addresses.mail]
url_file = "mail.url"

[[routes]]
to = ["hook", "mail"]
"""
CHECK = """
[[checks]]
node = "shop"
type = "http"
instance = "{name}"
url = "{url}"
body_matches = "welcome"
"""
MONITOR = """
[endpoint]
nodes = "tag:web"
check = "http"
message = "see the runbook"
"""
LATENESS = """
select t."check", date_diff('millisecond', e.first, t.slot) as ms
from transitions t
join (select check_id, min(ts) as first from results where state = 2 group by check_id) e using (check_id)
where t."after" = 'firing' order by t."check"
"""
WAYS = ("body", "refused", "slow", "status")


class Site:
    """A web server of its own thread: endpoints that can break, and a hook that is told."""

    def __init__(self):
        self.broken, self.told, self.hook_status = set(), [], 200
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.ready = threading.Event()
        self.thread.start()
        assert self.ready.wait(10)

    def _run(self):
        self.loop.run_until_complete(self._begin())
        self.ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(self.runner.cleanup())
        self.loop.close()

    async def _begin(self):
        app = web.Application()
        app.router.add_get("/{way}", self._endpoint)
        app.router.add_post("/hook", self._hook)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]
        self.other = web.TCPSite(self.runner, "127.0.0.1", 0)
        await self.other.start()
        self.other_port = self.runner.addresses[1][1]

    async def _endpoint(self, request):
        way = request.match_info["way"]
        if way in self.broken and way == "slow":
            await asyncio.sleep(3)
        status = 500 if way in self.broken and way == "status" else 200
        text = "out of order" if way in self.broken and way == "body" else "welcome"
        return web.Response(status=status, text=text)

    async def _hook(self, request):
        if self.hook_status == 200:
            self.told.append(json.loads(await request.text()))
        return web.Response(status=self.hook_status)

    def break_all(self):
        self.broken = set(WAYS)
        asyncio.run_coroutine_threadsafe(self.other.stop(), self.loop).result(10)

    def mend_all(self):
        self.broken = set()

        async def again():
            self.other = web.TCPSite(self.runner, "127.0.0.1", self.other_port)
            await self.other.start()

        asyncio.run_coroutine_threadsafe(again(), self.loop).result(10)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def news(self):
        return sorted((m["ckkit"]["instance"], m["ckkit"]["kind"]) for m in self.told)


class Mailbox:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(message_from_bytes(envelope.original_content, policy=policy.default))
        return "250 OK"


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


@pytest.fixture
def mailbox(free_tcp_port):
    box = Mailbox()
    box.port = free_tcp_port
    server = Controller(box, hostname="127.0.0.1", port=free_tcp_port)
    server.start()
    yield box
    server.stop()


@pytest.fixture
def running(site, mailbox, start_hub):
    def url(way):
        return f"http://127.0.0.1:{site.other_port if way == 'refused' else site.port}/{way}"

    checks = "".join(CHECK.format(name=way, url=url(way)) for way in WAYS)
    hub = start_hub(toml=TOML.format(checks=checks), env={"HOOK_URL": f"http://127.0.0.1:{site.port}/hook"}, wait=False)
    (hub.workspace.path / "mail.url").write_text(
        f"mailto://127.0.0.1:{mailbox.port}?from=ckkit@example.org&to=ops@example.org&mode=insecure"
    )
    (hub.workspace.monitors / "endpoints.toml").write_text(MONITOR)
    hub.start()
    until(lambda: len(hub.wire.command("alerts.list", {"status": "ok"})) == len(WAYS))
    return hub


def until(condition, said=lambda: ""):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.05)


def slots(hub):
    return hub.wire.read("select count(*) as n from slots where grp = 'all'").to_pylist()[0]["n"]


def results(hub):
    """How often the endpoints were looked at, the least of them."""
    found = hub.wire.read(
        "select coalesce(min(n), 0) as n from (select count(*) as n from checks.http group by check_id)"
    )
    return found.to_pylist()[0]["n"]


def test_an_endpoint_that_breaks_is_told_once_and_again_when_it_is_back(running, site, mailbox):
    until(lambda: results(running) >= 2)
    site.break_all()
    until(lambda: site.news() == [(way, "problem") for way in WAYS], lambda: f"{site.news()} {running.log()}")
    late = running.wire.read(LATENESS).to_pylist()
    assert [row["check"] for row in late] == [f"http:{way}" for way in WAYS]
    # Two ticks, and what the check itself takes: a time-out has no result before it is over.
    assert all(row["ms"] <= 2_000 + 800 for row in late), late
    until(lambda: len(mailbox.mails) == len(WAYS))
    said = {m["ckkit"]["instance"]: m["ckkit"]["text"] for m in site.told}
    assert "refused" in said["refused"]
    assert "500" in said["status"]
    assert "0.8 s" in said["slow"] or "800 ms" in said["slow"] or "time" in said["slow"]
    assert "welcome" in said["body"]
    before = slots(running)
    until(lambda: slots(running) >= before + 3)
    site.mend_all()
    until(lambda: site.news() == sorted((way, kind) for way in WAYS for kind in ("problem", "recovery")))
    until(lambda: len(mailbox.mails) == 2 * len(WAYS))
    before = slots(running)
    until(lambda: slots(running) >= before + 3)
    assert len(site.told) == len(mailbox.mails) == 2 * len(WAYS)
    subjects = sorted(mail["Subject"] for mail in mailbox.mails)
    assert sum(subject.startswith("CRITICAL: endpoint on shop") for subject in subjects) == len(WAYS)
    assert sum(subject.startswith("OK: endpoint on shop is over") for subject in subjects) == len(WAYS)
    body = mailbox.mails[0].get_body(("html", "plain")).get_content()
    for words in ("the check failed", "see the runbook", "shop", "UTC", "node.ipynb?node=shop"):
        assert words in body
    assert all(m["node"]["name"] == "shop" for m in site.told)
    # Who judged, and that no secret is within reach of SQL or in the log.
    notices = [notice["key"] for notice in running.wire.command("notices.list")]
    assert "evaluator late" in notices
    assert str(site.port) not in json.dumps(running.wire.command("addresses.list"))
    log = running.wire.read("select answer from notifications").to_pylist()
    assert "/hook" not in json.dumps(log) + running.log()


def test_a_hub_that_is_killed_repeats_nothing_and_swallows_nothing(running, site, mailbox):
    until(lambda: results(running) >= 2)
    site.break_all()
    until(lambda: len(site.told) == len(WAYS) and len(mailbox.mails) == len(WAYS))
    told = running.wire.read("select count(*) as n from told where delivered").to_pylist()[0]["n"]
    until(lambda: running.wire.read("select count(*) as n from told where delivered").to_pylist()[0]["n"] >= told)
    until(lambda: running.wire.read("select count(*) as n from told").to_pylist()[0]["n"] == 2 * len(WAYS))
    site.hook_status = 503
    site.mend_all()
    until(lambda: len(mailbox.mails) == 2 * len(WAYS))
    until(lambda: running.wire.read("select count(*) as n from told").to_pylist()[0]["n"] == len(WAYS))
    running.kill()
    running.wires.clear()
    site.hook_status = 200
    running.start()
    until(lambda: len(site.told) == 2 * len(WAYS))
    before = slots(running)
    until(lambda: slots(running) >= before + 3)
    assert site.news() == sorted((way, kind) for way in WAYS for kind in ("problem", "recovery"))
    assert len(mailbox.mails) == 2 * len(WAYS)
    twice = "select slot from slots where grp = 'all' group by slot having count(*) > 1"
    assert running.wire.read(twice).num_rows == 0


def test_a_name_that_nobody_knows_is_told_once_and_again_when_it_is_right(running, site):
    """The way an endpoint's name goes wrong: an edit of ckkit.toml, which the hub reads while it runs."""
    until(lambda: results(running) >= 2)
    toml = running.workspace.toml
    right = toml.read_text()
    toml.write_text(right.replace(f"http://127.0.0.1:{site.port}/body", "http://no-such-host.invalid/body"))
    until(lambda: site.news() == [("body", "problem")], lambda: f"{site.news()} {running.log()}")
    assert "no-such-host.invalid" in site.told[0]["ckkit"]["text"]
    before = slots(running)
    toml.write_text(right)
    until(lambda: site.news() == [("body", "problem"), ("body", "recovery")])
    until(lambda: slots(running) >= before + 3)
    assert len(site.told) == 2
