"""The tcp check against real sockets."""

import asyncio
import re
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ckkit.collect.catalogue import Catalogue
from ckkit.collect.checks.tcp import BANNER_BYTES, Tcp
from ckkit.errors import CheckFailed, Invalid, TimedOut
from ckkit.model import Node, Outcome, State

NODE = Node(name="db0", private_addresses=("127.0.0.1",))
CATALOGUE = Catalogue({"tcp": Tcp()})
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for part in (b"220 mail.example ", b"ESMTP ready\r\n"):  # a banner comes in pieces
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.02)
    await reader.read()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"-" + await reader.readline())
    await writer.drain()
    await reader.read()


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


def against(talk: Talk, timeout_s: float = 2.0, server_tls: ssl.SSLContext | None = None, **params: Any) -> Outcome:
    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the check hung up, or the test is over
        finally:
            writer.transport.abort()

    async def main() -> Outcome:
        server = await asyncio.start_server(kept, "127.0.0.1", 0, ssl=server_tls)
        port = server.sockets[0].getsockname()[1]
        kind = Tcp()
        try:
            return await kind.run(NODE, CATALOGUE.params("tcp", {"port": port, **params}), "", timeout_s)
        finally:
            await kind.close()
            server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
                await asyncio.wait({task})

    return asyncio.run(main())


def check(timeout_s: float = 2.0, **params: Any) -> Outcome:
    async def main() -> Outcome:
        kind = Tcp()
        try:
            return await kind.run(NODE, CATALOGUE.params("tcp", params), "", timeout_s)
        finally:
            await kind.close()

    return asyncio.run(main())


def test_a_port_that_is_open() -> None:
    found = against(silent)
    assert found.state is State.OK
    assert re.fullmatch(r"connected to 127\.0\.0\.1:\d+ in [\d.]+ ms", found.status)
    assert 0 < found.values["connect_seconds"] < 1


@pytest.mark.parametrize(
    ("talk", "params", "state", "status"),
    [
        (greeting, {"expect": "^220 .*ESMTP"}, State.OK, "as expected"),
        (greeting, {"expect": "^554", "host": "localhost"}, None, "waiting for '^554'"),  # it stays open: a time-out
        (echo, {"send": "PING\r\n", "expect": "-PING"}, State.OK, "as expected"),
        (silent, {"send": "hello"}, State.OK, "sent"),
        (flood, {"expect": "never"}, State.ERR, f"[BANNER] ('{'x' * 60}…') matches 'never'"),
    ],
)
def test_what_comes_back(talk: Talk, params: dict[str, Any], state: State | None, status: str) -> None:
    if state is None:
        with pytest.raises(TimedOut, match=re.escape(status)):
            against(talk, timeout_s=0.5, **params)
        return
    found = against(talk, **params)
    assert found.state is state and found.status.endswith(status)


def test_a_side_that_closes_before_it_said_what_is_expected() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"go away\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    found = against(closing, expect="welcome")
    assert (found.state, found.status) == (State.ERR, "[BANNER] ('go away') matches 'welcome'")


def test_what_comes_back_is_bounded() -> None:
    assert BANNER_BYTES == 65_536
    assert against(flood, expect="never").state is State.ERR


def test_connection_refused_and_unknown_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(CheckFailed, match=f"connection refused by 127.0.0.1:{port}"):
        check(port=port)
    with pytest.raises(CheckFailed, match=r"unknown name: .*'nothing\.invalid'"):
        check(timeout_s=20.0, port=80, host="nothing.invalid")


def test_time_out_while_connecting() -> None:
    """A listener whose queue is full does not answer the next one."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(server.getsockname())
            with pytest.raises(TimedOut, match=r"time-out after 0\.3 s, connecting"):
                check(timeout_s=0.3, port=server.getsockname()[1])
        finally:
            for one in waiting:
                one.close()


def test_tls(needs: Callable[[str], Path], tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ask = "req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = ["-keyout", key, "-out", cert]
    subprocess.run([needs("openssl"), *ask.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    found = against(greeting, server_tls=context, tls=True, host="localhost", expect="220", ca_file=str(cert))
    assert found.state is State.OK
    assert found.values["certificate_expires_seconds"] == pytest.approx(9 * 86_400, abs=120)
    with pytest.raises(CheckFailed, match=r"certificate of localhost:.* refused: self-signed certificate"):
        against(greeting, server_tls=context, tls=True, host="localhost")
    with pytest.raises(CheckFailed, match="no TLS with"):
        against(greeting, tls=True)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "missing required field `port`"),
        ({"port": 0}, "port"),
        ({"port": 70_000}, "port"),
        ({"port": 80, "expect": "("}, "no regular expression"),
        ({"port": 80, "bannner": "x"}, "no key 'bannner'"),
    ],
)
def test_wrong_params_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=re.escape(said)):
        CATALOGUE.params("tcp", params)
