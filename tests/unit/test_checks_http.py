"""The http check against real servers: every way to answer, and every way to fail with its own text."""

import asyncio
import base64
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from ckkit.collect.catalogue import Catalogue
from ckkit.collect.certificate import expires
from ckkit.collect.checks.http import BODY_BYTES, Http
from ckkit.collect.checks.web import parse_status
from ckkit.errors import CheckFailed, CkkitError, Invalid, TimedOut
from ckkit.model import Node, Outcome, State

NODE = Node(name="web0", private_addresses=("127.0.0.1",))
CATALOGUE = Catalogue({"http": Http()})
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def check(url: str, timeout_s: float = 2.0, **params: Any) -> Outcome:
    """Run one check in a loop of its own."""

    async def main() -> Outcome:
        kind = Http()
        try:
            return await kind.run(NODE, CATALOGUE.params("http", {"url": url, **params}), "", timeout_s)
        finally:
            await kind.close()

    return asyncio.run(main())


def against(
    handler: Handler, path: str = "/", timeout_s: float = 2.0, tls: ssl.SSLContext | None = None, **params: Any
) -> Outcome:
    """Serve `handler` with aiohttp, and run one check of it."""

    async def main() -> Outcome:
        async with serving(handler, tls) as base:
            kind = Http()
            try:
                return await kind.run(NODE, CATALOGUE.params("http", {"url": base + path, **params}), "", timeout_s)
            finally:
                await kind.close()

    return asyncio.run(main())


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
def raw() -> Iterator[Callable[[bytes | None], int]]:
    """A server on a plain socket that sends these bytes to whoever connects, and closes; None: it never answers."""
    listening: list[socket.socket] = []
    threads = []

    def serve(answer: bytes | None) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)

        def work() -> None:
            try:
                while True:
                    talk, _ = server.accept()
                    with talk:
                        talk.recv(65_536)
                        talk.sendall(answer or b"")
            except OSError:
                return

        if answer is not None:
            threads.append(threading.Thread(target=work, daemon=True))
            threads[-1].start()
        return int(server.getsockname()[1])

    yield serve
    for server in listening:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
    for thread in threads:
        thread.join(2)


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="It works!")


def test_an_answer_as_expected() -> None:
    found = against(hello)
    assert found.state is State.OK
    assert re.fullmatch(r"200 OK in [\d.]+ m?s, 9 bytes", found.status)
    assert (found.values["status_code"], found.values["size_bytes"]) == (200, 9)
    values = found.values
    assert 0 < values["connect_seconds"] < values["first_byte_seconds"] <= values["duration_seconds"] < 1
    assert "certificate_expires_seconds" not in values


@pytest.mark.parametrize(
    ("status", "params", "evidence"),
    [
        (500, {}, "[STATUS] (500) == 200\N{EN DASH}399"),
        (404, {"status": "200,204"}, "[STATUS] (404) == 200, 204"),
        (200, {"status": 201}, "[STATUS] (200) == 201"),
        (200, {"body_matches": "po+ng"}, "[BODY] ('It works!') matches 'po+ng'"),
        (503, {"body_matches": "pong"}, "[STATUS] (503) == 200\N{EN DASH}399; [BODY] ('It works!') matches 'pong'"),
    ],
)
def test_an_answer_that_is_not_as_expected_gives_its_evidence(
    status: int, params: dict[str, Any], evidence: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text="It works!")

    found = against(answer, **params)
    assert (found.state, found.status) == (State.ERR, evidence)
    assert found.values["status_code"] == status  # what was measured is kept: it is what charts show


@pytest.mark.parametrize(
    ("status", "params"), [(404, {"status": "400-499"}), (204, {}), (200, {"body_matches": r"w\w+s"})]
)
def test_what_is_expected_is_fine(status: int, params: dict[str, Any]) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text="It works!" if status != 204 else None)

    assert against(answer, **params).state is State.OK


def test_an_answer_that_takes_too_long_gives_its_evidence() -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.15)
        return web.Response()

    found = against(slow, max_seconds=0.1)
    assert found.state is State.ERR
    assert re.fullmatch(r"\[SECONDS\] \(0\.[12]\d\d\) <= 0\.1", found.status)


def test_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(CheckFailed, match=f"^connection refused by 127.0.0.1:{port}: nothing listens there$"):
        check(f"http://127.0.0.1:{port}/")


def test_unknown_name() -> None:
    with pytest.raises(CheckFailed, match=r"^unknown name: .*'nothing\.invalid'"):
        check("http://nothing.invalid/", timeout_s=20.0)


def test_time_out_says_what_it_waited_for(raw: Callable[[bytes | None], int]) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut, match=r"^time-out after 0\.3 s, waiting for the answer \(127\.0\.0\.1:\d+\)$"):
        check(f"http://127.0.0.1:{raw(None)}/secret-path", timeout_s=0.3)
    assert time.monotonic() - began < 1.0


def test_time_out_in_the_body() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a little")
        await asyncio.sleep(5)
        return response

    with pytest.raises(TimedOut, match="reading the body"):
        against(endless, timeout_s=0.3)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "the body from .* broke off before its end"),
    ],
)
def test_a_server_that_breaks_the_protocol(raw: Callable[[bytes | None], int], answer: bytes, said: str) -> None:
    with pytest.raises(CheckFailed, match=said):
        check(f"http://127.0.0.1:{raw(answer)}/")


def test_a_large_body_is_read_to_its_bound_only() -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(10_000):
                await response.write(b"x" * 100_000)
        except ConnectionError:
            pass  # the check hung up
        return response

    began = time.monotonic()
    found = against(large)
    assert found.values["size_bytes"] == BODY_BYTES
    assert f"more than {BODY_BYTES} bytes" in found.status
    assert time.monotonic() - began < 2.0


def test_redirects() -> None:
    async def moved(request: web.Request) -> web.Response:
        if request.path == "/there":
            return web.Response(text="arrived")
        raise web.HTTPFound("/loop" if request.path == "/loop" else "/there")

    assert against(moved, "/here", body_matches="arrived").values["status_code"] == 200
    assert against(moved, "/here", follow_redirects=False).values["status_code"] == 302
    with pytest.raises(CheckFailed, match="more than 10 redirects"):
        against(moved, "/loop")


def test_method_headers_body_and_the_nodes_address_are_sent() -> None:
    seen: list[tuple[str, str, str, bytes]] = []

    async def note(request: web.Request) -> web.Response:
        seen.append((request.method, request.headers["X-Probe"], request.headers["User-Agent"], await request.read()))
        return web.Response()

    async def main() -> None:
        async with serving(note) as base:
            port = base.rpartition(":")[2]
            params = {"url": f"http://{{address}}:{port}/{{node}}", "method": "POST", "body": "ping"}
            kind = Http()
            await kind.run(NODE, CATALOGUE.params("http", params | {"headers": {"X-Probe": "1"}}), "", 2.0)
            await kind.close()

    asyncio.run(main())
    assert seen == [("POST", "1", "ckkit", b"ping")]


def test_secrets_come_from_environment_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def say(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Authorization", "none"))

    monkeypatch.setenv("CK_TEST_PASSWORD", "s3cret")
    (tmp_path / "token").write_text("t0ken\n")
    basic = re.escape(base64.b64encode(b"ann:s3cret").decode())
    assert against(say, user="ann", password_env="CK_TEST_PASSWORD", body_matches=f"^Basic {basic}$").state is State.OK
    assert against(say, token_file=str(tmp_path / "token"), body_matches="^Bearer t0ken$").state is State.OK
    with pytest.raises(CkkitError, match="the environment variable CK_NOT_THERE is empty or not set") as error:
        against(say, user="ann", password_env="CK_NOT_THERE")
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"url": "ftp://x/"}, "must start with http:// or https://"),
        ({"url": "http://ann:s3cret@x/"}, "holds a user or password"),
        ({"headers": {"Authorization": "Bearer s3cret"}}, "Authorization, a secret"),
        ({"headers": {"X": "a\r\nY: b"}}, "has a line break"),
        ({"status": "2xx"}, "write 200, 200-399"),
        ({"body_matches": "("}, "no regular expression"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"method": "FETCH"}, "method"),
        ({"statsu": 200}, "no key 'statsu': did you mean 'status'"),
    ],
)
def test_wrong_params_are_refused_before_they_run(params: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=re.escape(said)) as error:
        CATALOGUE.params("http", params)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("text", ["", "99", "200-100", "200-", "600", "ok", "200 300"])
def test_statuses_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="write 200"):
        parse_status(text)


@pytest.fixture(scope="module")
def certificates(needs: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`good.pem` is for 127.0.0.1 and signs itself; `old.pem` ended years ago. Each with its key."""
    folder = tmp_path_factory.mktemp("certificates")
    openssl = str(needs("openssl"))

    def do(command: str) -> None:
        subprocess.run([openssl, *command.split()], cwd=folder, check=True, capture_output=True)

    name = "-subj /CN=127.0.0.1"
    do(
        f"req -x509 -newkey rsa:2048 -nodes -days 30 {name}"
        " -addext subjectAltName=IP:127.0.0.1 -keyout good.key -out good.pem"
    )
    # openssl(1) of Debian 12 back-dates only what a CA signs.
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n"
        "x509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=IP:127.0.0.1\n"
    )
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    do(f"req -newkey rsa:2048 -nodes {name} -keyout old.key -out old.csr")
    dates = "-startdate 20190101000000Z -enddate 20200101000000Z"
    do(f"ca -batch -selfsign -notext -config ca.cnf -in old.csr -keyfile old.key -out old.pem {dates}")
    return folder


def tls(folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


def test_a_certificate_that_is_trusted(certificates: Path) -> None:
    found = against(hello, tls=tls(certificates, "good"), ca_file=str(certificates / "good.pem"))
    assert found.state is State.OK
    assert found.values["certificate_expires_seconds"] == pytest.approx(30 * 86_400, abs=120)


def test_a_certificate_that_nobody_signed(certificates: Path) -> None:
    with pytest.raises(CheckFailed, match=r"certificate of 127\.0\.0\.1:\d+ refused: self-signed certificate"):
        against(hello, tls=tls(certificates, "good"))


def test_an_old_certificate_is_refused_or_its_age_is_measured(certificates: Path) -> None:
    with pytest.raises(CheckFailed, match="refused: certificate has expired"):
        against(hello, tls=tls(certificates, "old"), ca_file=str(certificates / "old.pem"))
    found = against(hello, tls=tls(certificates, "old"), verify_tls=False)
    assert found.state is State.OK
    assert found.values["certificate_expires_seconds"] < -86_400 * 365


def test_tls_with_a_server_that_speaks_plainly(raw: Callable[[bytes | None], int]) -> None:
    with pytest.raises(CheckFailed, match="no TLS with"):
        check(f"https://127.0.0.1:{raw(b'HTTP/1.1 400 Bad Request')}/")


def test_a_file_of_certificates_that_has_none(certificates: Path) -> None:
    for path in ("/nowhere/ca.pem", str(certificates / "good.key")):
        with pytest.raises(CheckFailed, match="it must hold certificates in PEM"):
            check("https://127.0.0.1/", ca_file=path)


def test_when_a_certificate_expires_is_read_from_its_bytes(certificates: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert((certificates / "old.pem").read_text())
    found = expires(der)
    assert found is not None and found.isoformat() == "2020-01-01T00:00:00+00:00"
    assert all(expires(der[:n]) is None for n in range(200))  # cut anywhere before it: no certificate, no crash


def test_nginx(needs: Callable[[str], Path], tmp_path: Path) -> None:
    """A server that is none of ours: it answers, is stopped, and the check sees both."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "index.html").write_text("nginx is here")
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; daemon off; events {{}} user root;"
        f"http {{ access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path};"
        f"fastcgi_temp_path {tmp_path}; uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};"
        f"server {{ listen 127.0.0.1:{port}; root {tmp_path}; }} }}"
    )
    server = subprocess.Popen(
        [needs("nginx"), "-c", tmp_path / "nginx.conf", "-e", tmp_path / "error.log"], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            try:
                found = check(f"http://127.0.0.1:{port}/", body_matches="nginx is here")
                break
            except CheckFailed:
                time.sleep(0.05)
        assert found.state is State.OK
        assert check(f"http://127.0.0.1:{port}/missing").status == "[STATUS] (404) == 200\N{EN DASH}399"
    finally:
        server.terminate()
        server.wait(5)
    with pytest.raises(CheckFailed, match="connection refused"):
        check(f"http://127.0.0.1:{port}/")


def test_params_have_a_schema_that_explains_each_key() -> None:
    schema = msgspec.json.schema(Http.Params)
    properties = schema["$defs"]["HttpParams"]["properties"]
    assert properties["body_matches"]["description"] == "regular expression that the first 100 kB must have"


def test_an_expression_that_would_never_end_is_stopped_and_said():
    from ckkit.collect.checks.web import matches
    from ckkit.errors import CheckFailed

    assert matches("(a+)+$", "a" * 40 + "!") is not None
    with pytest.raises(CheckFailed, match="was not done within"):
        matches(r"(?:(?:a|aa)+)+b\1?(x+x+)+y", "a" * 50 + "x" * 60)
