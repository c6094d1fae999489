"""
The kit on a real hub, through the wire in the process and through HTTP: nodes, checks, monitors, silences, events.

The hub watches a web server of this test; it stops and comes back, and the kit says what happened.
"""

import asyncio
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ckkit
from ckkit.config import Home, Workspace
from ckkit.errors import CkkitError, HubUnreachable, Invalid, NotFound
from ckkit.hub.hub import Hub
from ckkit.kit.kit import Kit
from ckkit.model import Event, Level, Monitor, Node, State, Status
from ckkit.wire import HttpWire, StoreWire

PATIENCE_S = 20.0


class Endpoint:
    """A web server that can be told how to answer."""

    def __init__(self) -> None:
        self.code = 200
        endpoint = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(endpoint.code)
                self.end_headers()
                self.wfile.write(b"hello")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> Iterator[Hub]:
    root = tmp_path_factory.mktemp("hub")
    (root / "ws" / "monitors").mkdir(parents=True)
    (root / "ws" / "ckkit.toml").write_text(f"""
[hub]
evaluate_every = "1s"
deadline = "500ms"
[collect]
every = "1s"
timeout = "900ms"
[this_machine]
name = "here"
[[nodes]]
name = "web0"
address = "127.0.0.1"
tags = ["web"]
[[checks]]
node = "web0"
type = "http"
instance = "home"
url = "{endpoint.url}"
[addresses.nobody]
kind = "memory"
url = "memory://nobody"
""")
    (root / "ws" / "monitors" / "web.toml").write_text("""
[web_down]
nodes = "tag:web"
check = "http"
warn = "duration_seconds > 30"
message = "look at it"
[told_by_hand]
nodes = "tag:web"
check = "http"
reported = true
""")
    home = Home.find({"CKKIT_HOME": str(root / "home")})
    hub = Hub(home, Workspace(root / "ws"), port=0)
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module", params=["in process", "http"])
def kit(request: pytest.FixtureRequest, hub: Hub) -> Iterator[Kit]:
    wire = StoreWire(hub.store, hub) if request.param == "in process" else HttpWire.connect(hub.home)
    with Kit(wire) as made:
        yield made


@pytest.fixture(scope="module")
def live(hub: Hub) -> Iterator[Kit]:
    """Through HTTP only: for what takes seconds."""
    with Kit(HttpWire.connect(hub.home)) as made:
        yield made


def until(true: Callable[[], object], what: str) -> None:
    """Wait for what will happen."""
    ends = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < ends, f"in {PATIENCE_S:g} s not: {what}"
        time.sleep(0.05)


def test_nodes_and_their_cards(kit: Kit) -> None:
    assert [node.name for node in kit.nodes.list("tag:web")] == ["web0"]
    assert isinstance(kit.nodes.list()[0], Node)
    until(lambda: len(kit.sql("select 1 as n from checks.http")), "a result of the web server")
    html = kit.nodes["web0"]._repr_html_()
    assert "http:home" in html
    assert "status_code 200" in html or "status_code" in html
    assert "web0" in kit.nodes._repr_html_()


def test_this_machine_has_a_series_and_processes(kit: Kit) -> None:
    until(lambda: len(kit.series("load.load_1m", "here", since="10m")), "the load")
    assert set(kit.series("load.load_1m", "tag:local", since="10m")["node"]) == {"here"}
    found = kit.nodes["here"].processes(sort="memory", limit=5)
    assert len(found) == 5
    assert "command" in repr(found)
    with pytest.raises(Invalid, match="cannot be seen from here"):
        kit.nodes["web0"].processes()


def test_a_check_is_added_run_and_removed(kit: Kit, endpoint: Endpoint) -> None:
    added = kit.checks.add("web0", "http", "again", every="5s", timeout="1s", url=endpoint.url)
    try:
        assert added.key == "web0/http:again"
        assert kit.checks["web0/http:again"].params["url"] == endpoint.url
        result = kit.checks.run(added)
        assert result.state is State.OK
        assert result.values["status_code"] == 200
        assert "duration_seconds" in result._repr_html_()
        assert "200" in result._repr_html_()
    finally:
        assert kit.checks.remove("web0/http:again").key == added.key
    with pytest.raises(NotFound):
        kit.checks["web0/http:again"]


@pytest.mark.parametrize(
    ("params", "error", "says"),
    [({"url": "x", "timeoutt": 3}, Invalid, "timeoutt"), ({"url": 5}, Invalid, "url")],
)
def test_a_check_with_wrong_parameters_is_refused(
    kit: Kit, params: dict[str, object], error: type[CkkitError], says: str
) -> None:
    with pytest.raises(error, match=says):
        kit.checks.add("web0", "http", "wrong", params=params)


def test_types_of_checks_and_metrics_are_told(kit: Kit) -> None:
    types = kit.checks.types()
    assert "http" in [kind["name"] for kind in types]
    assert "port*" in repr(types)
    assert kit.metrics["http.duration_seconds"].unit == "seconds"
    assert "http.status_code" in kit.metrics._ipython_key_completions_()


def test_monitors_are_told_with_their_state_and_problems(live: Kit, hub: Hub) -> None:
    assert list(live.monitors.names()) == ["told_by_hand", "web_down"]
    assert isinstance(live.monitors["web_down"].record, Monitor)
    assert live.monitors.problems() == ()
    wrong = hub.workspace.monitors / "wrong.toml"
    wrong.write_text('[oops]\nnodes = "*"\ncheck = "http"\ncritcal = "duration_seconds > 1"\n')
    try:
        until(lambda: live.monitors.problems(), "the problem of a misspelt file")
        assert "did you mean 'critical'" in live.monitors.problems()[0]["message"]
        assert "critcal" in live.monitors.problems()._repr_html_()
    finally:
        wrong.unlink()
    until(lambda: not live.monitors.problems(), "the problem to be gone")


def test_an_evaluation_shows_what_it_judged(kit: Kit) -> None:
    found = kit.monitors.evaluate(by="a notebook", run_id="r1")
    assert found.slot is not None
    assert "2 monitors" in repr(found.summary)
    assert found.steps
    assert all(seconds >= 0 for seconds in found.steps.values())
    again = kit.monitors.evaluate(found.slot, by="another")
    assert again.repeated
    for part in (found, found.summary, found.instances, found.transitions, found.decisions, found.steps):
        assert part._repr_html_().startswith('<div class="ckv">')


def test_what_breaks_and_comes_back_is_an_alert_with_its_transitions(live: Kit, endpoint: Endpoint) -> None:
    endpoint.code = 500
    try:
        until(lambda: firing(live), "an alert that fires")
        alert = firing(live)[0]
        assert (alert.node, alert.check, alert.monitor) == ("web0", "http:home", "web_down")
        assert alert.level is Level.CRITICAL
        assert "500" in alert.text
        assert "500" in alert._repr_html_()  # type: ignore[attr-defined]  # it is an AlertView
        assert live.nodes.list().levels["web0"] is Level.CRITICAL
        assert "1 of 1 not ok" in repr(live.monitors.list())
        assert live.monitors["web_down"].alerts[0].status is Status.FIRING
        assert "500" in live.monitors["web_down"]._repr_html_()
    finally:
        endpoint.code = 200
    until(lambda: not firing(live), "the alert to end")
    changes = live.alerts.transitions("10m", "tag:web")
    assert changes[0].after is Status.OK
    assert Status.FIRING in [change.after for change in changes]
    assert live.alerts.transitions("10m", "here") == ()
    until(lambda: live.notifications.list("10m"), "the record that nobody is to be told")
    assert "web_down" in {told.monitor for told in live.notifications.list("10m")}


def firing(kit: Kit) -> tuple[ckkit.Alert, ...]:
    return tuple(alert for alert in kit.alerts.list("firing", "tag:web") if alert.monitor == "web_down")


def test_a_notebook_reports_levels(kit: Kit) -> None:
    bad = {"node": "web0", "check": "http:home", "level": Level.WARN, "value": 3.5, "text": "full in 3 h"}
    found = kit.monitors.report("told_by_hand", [bad])
    assert [(alert.level, alert.text) for alert in found.instances] == [(Level.WARN, "full in 3 h")]
    fine = kit.monitors.report("told_by_hand", [{**bad, "level": "ok"}], slot=None)
    assert fine.record.by
    with pytest.raises(NotFound):
        kit.monitors.report("web_dwon", [bad])


def test_silences_are_added_listed_and_expired(kit: Kit) -> None:
    silence = kit.silences.add("tag:web", "web_*", lasts="2h", comment="new disks")
    assert (silence.ends - silence.starts).total_seconds() == 7200
    assert silence.silence_id in [each.silence_id for each in kit.silences]
    assert "new disks" in repr(kit.silences.list())
    kit.silences.expire(silence)
    assert silence.silence_id not in [each.silence_id for each in kit.silences]
    with pytest.raises(Invalid, match="either `lasts`"):
        kit.silences.add("tag:web", comment="for how long?")


def test_addresses_are_told_without_their_urls(kit: Kit) -> None:
    assert kit.addresses.list()[0]["name"] == "nobody"
    assert "memory://" not in repr(kit.addresses.list())
    assert kit.addresses.test("nobody")
    with pytest.raises(NotFound):
        kit.addresses.test("noboddy")


def test_the_hub_tells_of_itself(kit: Kit, hub: Hub) -> None:
    assert kit.hub.status()["version"] == ckkit.__version__
    kit.hub.reload()
    assert kit.jobs.list() == ()
    hub.notices.raise_("test", "warn", "a disk is <full>")
    try:
        assert "a disk is <full>" in [notice["text"] for notice in kit.hub.notices()]
        assert "&lt;full&gt;" in kit.hub.notices()._repr_html_()
    finally:
        hub.notices.clear("test")


def test_the_overview_is_told_once_a_tick(kit: Kit) -> None:
    until(lambda: "nodes" in kit.overview(), "the first overview")
    found = kit.overview()
    assert {"here", "web0"} == set(found["nodes"]["name"])
    assert kit.overview(since=-1)["tick"] >= found["tick"]


def test_events_come_to_a_notebook_and_stop(kit: Kit) -> None:
    got: list[Event] = []

    async def notebook() -> bool:
        arrived = asyncio.Event()

        def show(events: list[Event]) -> None:
            got.extend(events)
            arrived.set()

        subscription = kit.events.on("results", show)
        await asyncio.wait_for(arrived.wait(), PATIENCE_S)
        subscription.stop()
        await asyncio.to_thread(subscription._thread.join, 5)
        assert not subscription.errors
        return subscription._thread.is_alive()

    assert asyncio.run(notebook()) is False
    assert {event.topic for event in got} == {"results"}


def test_open_finds_the_running_hub_by_its_home(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("CKKIT_HOME", str(hub.home.path))
        with ckkit.open() as found:
            assert "web0" in found.nodes
            assert str(hub.home.path) in repr(found)


def test_open_without_a_hub_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("CKKIT_HOME", str(tmp_path / "home"))
        with pytest.raises(HubUnreachable, match=r"\./ck up"):
            ckkit.open()
