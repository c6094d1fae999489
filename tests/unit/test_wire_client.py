"""The client without a hub: what it says, what it imports, when it tries again. A socket of the test is the hub."""

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ckkit.config import Home
from ckkit.errors import CkkitError, HubUnreachable, Invalid, TimedOut
from ckkit.wire import HttpWire
from ckkit.wire.endpoint import Endpoint

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCkkit-Boot: one\r\n\r\n"ok"'
CUT = b"<cut>"
Script = list[bytes | None]


class Line:
    """A server that answers each request with the next of its script, and ends the connection at None or CUT."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = script
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            talk = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
        except OSError:  # the client does not like the certificate
            return
        with talk as connection:
            while (request := self._request(connection)) and self._script:
                self.requests.append(request)
                answer = self._script.pop(0)
                if answer is None:
                    break
                connection.sendall(answer.removesuffix(CUT))
                if answer.endswith(CUT):
                    break

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        """Read one request with its body."""
        found = b""
        while b"\r\n\r\n" not in found:
            more = connection.recv(65536)
            if not more:
                return b""
            found += more
        head, _, body = found.partition(b"\r\n\r\n")
        length = next((int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += connection.recv(65536)
        return head

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


@pytest.fixture
def line() -> Iterator[Callable[..., tuple[Line, HttpWire]]]:
    made: list[Line | HttpWire] = []

    def make(*script: bytes | None) -> tuple[Line, HttpWire]:
        server = Line(list(script))
        wire = HttpWire(url=server.url, token="secret-token")
        made.extend((wire, server))
        return server, wire

    yield make
    for one in made:
        one.close()


def test_no_hub_says_how_to_start_one(tmp_path: Path) -> None:
    home = Home.find({"CKKIT_HOME": str(tmp_path)})
    with pytest.raises(HubUnreachable, match=rf"no hub runs for the home {tmp_path}: start it with `./ck up`"):
        HttpWire.connect(home)


def test_a_hub_that_died_says_how_to_start_it(tmp_path: Path) -> None:
    home = Home.find({"CKKIT_HOME": str(tmp_path)})
    home.announce("hub", socket=str(tmp_path / "gone.sock"))
    with pytest.raises(HubUnreachable, match=r"gone\.sock.*`\./ck up` \(its log: `ckkit logs hub`\)"):
        HttpWire.connect(home)


@pytest.mark.parametrize("how", [{}, {"socket": "/a", "url": "http://b"}, {"url": "ftp://b"}])
def test_a_wire_needs_one_address(how: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        HttpWire(**how)  # type: ignore[arg-type]  what the rows are about


def test_the_token_is_in_no_repr() -> None:
    endpoint = Endpoint(url="http://127.0.0.1:1", token="secret-token")
    with closing(HttpWire(url="http://127.0.0.1:1", token="secret-token")) as wire:
        assert "secret" not in repr(endpoint) + repr(wire) + str(endpoint)
    assert endpoint.headers == {"Authorization": "Bearer secret-token"}


def test_a_connection_is_used_again(line: Callable[..., tuple[Line, HttpWire]]) -> None:
    server, wire = line(OK, OK, OK)
    assert [wire.command("x") for _ in range(3)] == ["ok"] * 3
    assert server.connections == 1


def test_each_thread_has_a_connection(line: Callable[..., tuple[Line, HttpWire]]) -> None:
    server, wire = line(OK, OK, OK)
    wire.command("x")
    other = threading.Thread(target=wire.command, args=("x",))
    other.start()
    other.join(5)
    wire.command("x")
    assert (server.connections, len(server.requests)) == (2, 3)


def test_a_connection_that_was_closed_meanwhile_is_not_used(line: Callable[..., tuple[Line, HttpWire]]) -> None:
    goodbye = OK.replace(b"Content-Length", b"Connection: close\r\nContent-Length")
    server, wire = line(goodbye, OK)
    assert [wire.command("x"), wire.command("x")] == ["ok", "ok"]
    assert (server.connections, [b"Ckkit-Again" in r for r in server.requests]) == (2, [False, False])


def test_a_reset_connection_is_tried_once_more_with_the_same_id(line: Callable[..., tuple[Line, HttpWire]]) -> None:
    server, wire = line(OK, None, OK)
    assert [wire.command("x"), wire.command("x")] == ["ok", "ok"]
    first, again = (dict(h.split(b": ", 1) for h in r.split(b"\r\n")[1:]) for r in server.requests[1:])
    assert first[b"Ckkit-Id"] == again[b"Ckkit-Id"]
    assert (first.get(b"Ckkit-Again"), again[b"Ckkit-Again"]) == (None, b"one")


def test_a_second_reset_is_an_error(line: Callable[..., tuple[Line, HttpWire]]) -> None:
    _, wire = line(None, None, OK)
    with pytest.raises(HubUnreachable, match="went away while it was asked"):
        wire.command("x")
    assert wire.command("x") == "ok"


def test_an_answer_that_breaks_off_is_asked_for_once_more(line: Callable[..., tuple[Line, HttpWire]]) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nhalf"
    server, wire = line(half + CUT, OK)
    assert wire.command("x") == "ok"
    assert (len(server.requests), server.connections) == (2, 2)


def test_an_error_that_is_no_document_still_is_one(line: Callable[..., tuple[Line, HttpWire]]) -> None:
    _, wire = line(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad")
    with pytest.raises(CkkitError, match="502 Bad Gateway"):
        wire.command("x")


def test_a_hub_that_says_nothing_is_not_waited_for_for_ever(line: Callable[..., tuple[Line, HttpWire]]) -> None:
    _, wire = line(b"")
    with pytest.raises(TimedOut, match=r"did not answer /healthz within 0\.2 s"):
        wire._call("GET", "/healthz", b"", lambda answer: answer.read(), 0.2, {})


def test_a_closed_wire_says_so(line: Callable[..., tuple[Line, HttpWire]]) -> None:
    _, wire = line(OK, OK)
    wire.command("x")
    wire.close()
    with pytest.raises(HubUnreachable, match="closed"):
        wire.command("x")


@pytest.mark.parametrize("module", ["ckkit.wire", "ckkit.wire.http_client", "ckkit.wire.frame"])
def test_the_client_is_thin(module: str) -> None:
    heavy = ("pyarrow", "numpy", "pandas", "duckdb", "aiohttp", "asyncio", "ckkit.store", "ckkit.hub")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_tls_is_pinned_to_the_hubs_certificate(needs: Callable[[str], Path], tmp_path: Path) -> None:
    for name in ("hub", "other"):
        ask = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=hub.ckkit"
        files = ["-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.crt"]
        command = [needs("openssl"), *ask.split(), "-addext", "subjectAltName=DNS:hub.ckkit", *files]
        subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "hub.crt", tmp_path / "hub.key")
    with closing(Line([OK], context)) as server:
        url = server.url.replace("http:", "https:")
        with closing(HttpWire(url=url, token="t", cafile=tmp_path / "hub.crt")) as wire:
            assert wire.command("x") == "ok"
        with (
            closing(HttpWire(url=url, token="t", cafile=tmp_path / "other.crt")) as wire,
            pytest.raises(HubUnreachable, match="certificate"),
        ):
            wire.command("x")
    with closing(HttpWire(url=url, cafile=tmp_path / "none.crt")) as wire, pytest.raises(Invalid, match=r"none\.crt"):
        wire.command("x")
