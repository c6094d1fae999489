"""A hub as a process, over its socket and over TCP: health, metrics, roles, errors, audit, reload."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from ckkit.errors import CkkitError, ConfigError, Invalid, NotFound, Refused, Unauthenticated
from ckkit.hub.commands import __all__ as NOUNS
from ckkit.hub.registry import COMMANDS
from ckkit.wire import HttpWire

Request = Callable[..., tuple[int, Any]]


@pytest.fixture
def request_of(session_hub: Any) -> Request:
    """Return a function that asks over TCP, by default with the admin's token, and returns the status and the body."""

    def ask(method: str, path: str, body: bytes = b"", token: str | None = "admin", **headers: str) -> tuple[int, Any]:
        if token is not None:
            known = session_hub.home.all_tokens()
            headers["Authorization"] = f"Bearer {known.get(token, token)}"
        with closing(HTTPConnection(urlsplit(session_hub.url).netloc, timeout=20)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            found = answer.read()
            kind = answer.headers.get_content_type()
            return answer.status, json.loads(found) if kind == "application/json" else found.decode()

    return ask


@pytest.fixture
def as_role(session_hub: Any) -> Iterator[Callable[[str], HttpWire]]:
    made: list[HttpWire] = []

    def wire(role: str) -> HttpWire:
        made.append(HttpWire(url=session_hub.url, token=session_hub.home.token(role)))
        return made[-1]

    yield wire
    for one in made:
        one.close()


def test_healthz_needs_no_token(request_of: Request) -> None:
    status, body = request_of("GET", "/healthz", token=None)
    assert (status, body["ok"]) == (200, True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/read"),
        ("PUT", "/v1/append/results?source=a&boot=b&sequence=1"),
        ("POST", "/v1/command/nodes.list"),
        ("GET", "/v1/watch"),
        ("GET", "/metrics"),
        ("GET", "/v1/openapi.json"),
        ("GET", "/nothing"),
    ],
)
@pytest.mark.parametrize("token", [None, "wrong"])
def test_everything_else_does(request_of: Request, method: str, path: str, token: str | None) -> None:
    status, body = request_of(method, path, token=token)
    assert (status, body["code"]) == (401, "unauthenticated")
    assert "tokens.toml" in body["message"]


@pytest.mark.parametrize(
    ("role", "command", "allowed"),
    [
        ("agent", "nodes.list", False),
        ("viewer", "nodes.list", True),
        ("viewer", "hub.reload", False),
        ("operator", "hub.reload", True),
        ("admin", "hub.reload", True),
    ],
)
def test_roles(as_role: Callable[[str], HttpWire], role: str, command: str, allowed: bool) -> None:
    if allowed:
        assert as_role(role).command(command) is not None
    else:
        with pytest.raises(Refused, match=f"{command} needs the role .*{role}"):
            as_role(role).command(command)


def test_an_agent_reads_nothing(as_role: Callable[[str], HttpWire]) -> None:
    with pytest.raises(Refused, match="reading needs the role viewer"):
        as_role("agent").read("select 1")
    with pytest.raises(Refused, match="watching needs the role viewer"):
        as_role("agent").watch(["results"])


def test_a_viewer_appends_nothing(as_role: Callable[[str], HttpWire]) -> None:
    with pytest.raises(Refused, match="append"):
        as_role("viewer").append("results", pa.table({"ts": []}), source="a", boot="b", sequence=1)


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/v1/nothing", 404, "openapi"),
        ("GET", "/v1/read", 405, "Method Not Allowed"),
        ("POST", "/v1/read", 400, "sql"),
        ("PUT", "/v1/append/results", 400, "source"),
        ("PUT", "/v1/append/results?source=a&boot=b&sequence=-1", 400, "sequence"),
        ("PUT", "/v1/append/results?source=a&boot=b&sequence=1", 400, "whole Arrow stream"),
        ("POST", "/v1/command/nodes.lst", 404, "nodes.list"),
        ("GET", "/v1/watch?since=yesterday", 400, "since"),
        ("GET", "/v1/watch?topics=A!", 400, "no topic"),
    ],
)
def test_errors_are_documents(request_of: Request, method: str, path: str, status: int, says: str) -> None:
    found, body = request_of(method, path)
    assert (found, set(body)) == (status, {"code", "message", "details"})
    assert says in body["message"]


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("POST", "/v1/read", 16),
        ("POST", "/v1/command/nodes.list", 4),
        ("PUT", "/v1/append/results?source=a&boot=b&sequence=1", 256),
    ],
)
def test_a_body_that_is_too_long_is_refused_before_it_is_read(
    session_hub: Any, method: str, path: str, most: int
) -> None:
    with closing(HTTPConnection(urlsplit(session_hub.url).netloc, timeout=20)) as connection:
        connection.putrequest(method, path)
        connection.putheader("Authorization", f"Bearer {session_hub.home.token()}")
        connection.putheader("Content-Length", str((most << 20) + 1))
        connection.endheaders()
        answer = connection.getresponse()
        assert f"longer than {most} MiB" in json.loads(answer.read())["message"]


def test_a_body_of_unknown_length_is_bounded_too(session_hub: Any) -> None:
    with closing(HTTPConnection(urlsplit(session_hub.url).netloc, timeout=20)) as connection:
        chunks = (b"x" * (1 << 20) for _ in range(6))
        try:
            connection.request(
                "POST",
                "/v1/command/nodes.list",
                chunks,
                {"Authorization": f"Bearer {session_hub.home.token()}"},
                encode_chunked=True,
            )
        except ConnectionError:
            return  # it hung up in the midst of it
        assert connection.getresponse().status == 403


def test_metrics_are_told(session_hub: Any) -> None:
    wire = session_hub.wire
    wire.read("select 1")
    text = wire.text("/metrics")
    assert re.search(r'^ckkit_reads_total\{outcome="ok"\} [1-9]', text, re.MULTILINE)
    for name in ("loop_lag_seconds_bucket", "results_total", "store_bytes", "overview_ticks_total", "commands_total"):
        assert f"\nckkit_{name}" in text
    values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if not line.startswith("#")]
    assert all(float(value) >= 0 for value in values)


def test_openapi_tells_every_command(session_hub: Any) -> None:
    document = json.loads(session_hub.wire.text("/v1/openapi.json"))
    assert {f"/v1/command/{name}" for name in COMMANDS} <= set(document["paths"])
    node_query = document["components"]["schemas"]["ListNodes"]["properties"]["query"]
    assert node_query["default"] == "*"
    text = json.dumps(document)
    for reference in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', text):
        assert reference in document["components"]["schemas"]


def test_every_command_says_what_it_does_and_is_a_noun_and_a_verb() -> None:
    for name, command in COMMANDS.items():
        noun, _, verb = name.partition(".")
        assert verb and (noun in NOUNS or noun == "notices"), name
        assert command.help.endswith((".", ")")), name


def test_status_tells_where_everything_is(session_hub: Any) -> None:
    status = session_hub.wire.command("hub.status")
    assert (status["pid"], status["home"]) == (session_hub.process.pid, str(session_hub.home.path))
    assert status["store"]["bytes"] > 0
    assert (status["nodes"], status["checks"]) == (2, 3)
    assert not set(session_hub.home.all_tokens().values()) & set(json.dumps(status).split('"'))


def test_the_overview_is_told_once_a_tick(session_hub: Any) -> None:
    document = session_hub.wire.command("overview.get")
    assert document["nodes"]["name"] == ["db0", "web0"]
    again = session_hub.wire.command("overview.get", {"since": document["tick"]})
    assert again == {"tick": document["tick"], "unchanged": True} or again["tick"] > document["tick"]


def test_the_run_file_says_how_to_reach_it(session_hub: Any) -> None:
    facts = session_hub.home.part("hub")
    assert facts["pid"] == session_hub.process.pid
    assert facts["url"] == session_hub.url and facts["url"].startswith("http://127.0.0.1:")
    assert facts["read_limit_s"] == 30.0


def test_it_listens_on_the_loopback_only(session_hub: Any) -> None:
    import psutil

    process = psutil.Process(session_hub.process.pid)
    listening = [c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]


def test_the_socket_is_for_its_user_only(session_hub: Any) -> None:
    from pathlib import Path

    path = Path(session_hub.home.part("hub")["socket"])
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


# -- a hub of one's own ----------------------------------------------------------------------------------------------


def test_commands_that_write_are_audited_without_secrets(hub: Any) -> None:
    wire = hub.wire
    wire.command("nodes.list")
    ask = {"node": "web0", "type": "http", "instance": "x", "params": {"url": "http://me:hunter2@127.0.0.1:9/"}}
    with pytest.raises(Invalid, match="password"):
        wire.command("checks.add", ask)
    wire.command("checks.add", ask | {"params": {"url": "http://127.0.0.1:9/"}})
    with pytest.raises(NotFound):
        wire.command("checks.remove", {"check": "web0/none"})
    with closing(HttpWire(url=hub.url, token=hub.home.token("viewer"))) as viewer, pytest.raises(Refused):
        viewer.command("hub.reload")
    rows = wire.read("select * from audit order by ts").to_pylist()
    assert [(row["command"], row["outcome"], row["role"]) for row in rows] == [
        ("checks.add", "invalid", "admin"),
        ("checks.add", "ok", "admin"),
        ("checks.remove", "not_found", "admin"),
        ("hub.reload", "refused", "viewer"),
    ]
    assert rows[0]["peer"].startswith("pid ") and rows[3]["peer"].startswith("127.0.0.1:")
    everything = json.dumps(wire.read("select * from audit").to_pylist(), default=str) + hub.log()
    assert "hunter2" not in everything
    events = wire.read("select scope, payload from events where topic = 'commands' order by seq").to_pylist()
    assert [event["scope"] for event in events] == [row["command"] for row in rows]


def test_tokens_are_nowhere_but_in_their_file(hub: Any) -> None:
    wire = hub.wire
    for role in ("admin", "operator", "viewer", "agent"):
        with closing(HttpWire(url=hub.url, token=hub.home.token(role))) as other:
            try:
                other.read("select 1")
            except Refused:
                continue
    wire.command("hub.reload")
    tokens = hub.home.all_tokens().values()
    assert hub.stop() == 0
    for path in hub.home.path.rglob("*"):
        if path.is_file() and path != hub.home.tokens:
            assert not any(token.encode() in path.read_bytes() for token in tokens), path
    assert not any(token in hub.log() for token in tokens)


def test_an_edit_of_the_configuration_counts_within_seconds(hub: Any) -> None:
    wire, toml = hub.wire, hub.workspace.toml
    good = toml.read_text()
    toml.write_text(good + '\n[[nodes]]\nname = "web1"\ntags = ["web"]\n')
    _until(lambda: len(wire.command("nodes.list")) == 3)
    toml.write_text(good + "\n[[nodes]]\nnam = 3\n")
    _until(lambda: wire.command("notices.list"))
    (notice,) = wire.command("notices.list")
    assert notice["key"] == "config" and "ckkit.toml" in notice["text"] and "stays in force" in notice["text"]
    assert len(wire.command("nodes.list")) == 3
    with pytest.raises(ConfigError, match="nam"):
        wire.command("hub.reload")
    toml.write_text(good)
    _until(lambda: not wire.command("notices.list"))
    assert len(wire.command("nodes.list")) == 2


def test_the_end_is_clean(hub: Any) -> None:
    wire = hub.wire
    with closing(wire.watch(["*"])):
        assert wire.read("select 1 as n")["n"].to_pylist() == [1]
        began = time.monotonic()
        assert hub.stop() == 0
    assert time.monotonic() - began < 8
    assert hub.home.part("hub") is None
    assert not any(hub.runtime.rglob("*.sock"))
    assert hub.errors() == []
    lines = [json.loads(line) for line in hub.log().splitlines()]
    assert [line["event"] for line in lines][-2:] == ["the hub stops", "the hub has stopped"]


def test_a_watch_goes_on_over_a_restart_of_the_hub(hub: Any) -> None:
    wire = hub.wire
    with closing(wire.watch(["commands"])) as events:
        wire.command("hub.reload")
        first = next(events)
        hub.stop()
        hub.start()
        wire.command("hub.reload")
        second = next(events)
    assert (first.scope, second.scope, second.seq > first.seq) == ("hub.reload", "hub.reload", True)


def test_a_watch_that_had_heard_nothing_misses_nothing_over_a_restart(hub: Any) -> None:
    wire = hub.wire
    with closing(wire.watch(["commands"])) as events:
        hub.stop()
        hub.start()
        with closing(HttpWire.connect(hub.home)) as other:
            other.command("hub.reload")
        assert next(events).scope == "hub.reload"


def test_reads_find_the_hub_again_after_a_restart(hub: Any) -> None:
    wire = hub.wire
    assert wire.read("select 1 as n")["n"].to_pylist() == [1]
    hub.stop()
    hub.start()
    assert wire.read("select 2 as n")["n"].to_pylist() == [2]


def test_times_of_the_overview_are_aware(hub: Any) -> None:
    document = hub.wire.command("overview.get")
    assert abs((datetime.fromisoformat(document["as_of"]) - datetime.now(UTC)).total_seconds()) < 15


@pytest.mark.parametrize(
    ("payload", "kind"), [({"since": "x"}, Invalid), ({"until": 1}, Invalid), ([], Invalid), ("x", Invalid)]
)
def test_a_payload_that_is_none(session_hub: Any, payload: Any, kind: type[CkkitError]) -> None:
    with pytest.raises(kind, match=r"overview\.get"):
        session_hub.wire.command("overview.get", payload)


def test_unknown_errors_stay_apart(session_hub: Any) -> None:
    with pytest.raises(NotFound):
        session_hub.wire.command("nothing.at.all")
    with (
        closing(HttpWire(url=session_hub.url, token="wrong")) as stranger,
        pytest.raises(Unauthenticated, match=r"tokens\.toml"),
    ):
        stranger.command("nodes.list")


def _until(true: Callable[[], Any], patience_s: float = 15.0) -> None:
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
