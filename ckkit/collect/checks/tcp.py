"""`tcp`: connects to a port, and where asked says something and looks at what comes back."""

import asyncio
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar

import msgspec
import regex

from ckkit.collect.certificate import expires
from ckkit.collect.checks.web import explain, matches, shown, tls_context
from ckkit.collect.names import Found, Names
from ckkit.errors import CheckFailed, TimedOut
from ckkit.model import Metric, Node, Outcome, State

BANNER_BYTES = 65_536
Told = msgspec.Meta


class TcpParams(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    port: Annotated[int, Told(ge=1, le=65535, description="the port to connect to")]
    host: Annotated[str, Told(description="instead of the node's address")] = ""
    send: Annotated[str, Told(description="sent once connected")] = ""
    expect: Annotated[str, Told(description="regular expression that what comes back must have")] = ""
    tls: Annotated[bool, Told(description="whether to speak TLS")] = False
    verify_tls: Annotated[bool, Told(description="whether the certificate must be valid")] = True
    ca_file: Annotated[str, Told(description="certificates to trust, instead of the system's (PEM)")] = ""

    def __post_init__(self) -> None:
        try:
            regex.compile(self.expect)
        except regex.error as error:
            raise ValueError(f"`expect` is no regular expression: {error}") from None


@dataclass(slots=True)
class _Progress:
    doing: str = "looking the name up"


class Tcp:
    name: ClassVar[str] = "tcp"
    help: ClassVar[str] = "Connects to a port, and where asked says something and looks at what comes back."
    local: ClassVar[bool] = False
    Params: ClassVar[type[msgspec.Struct]] = TcpParams
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="connect_seconds", unit="seconds", help="until connected, with TLS, without the name look-up"),
        Metric(name="certificate_expires_seconds", unit="seconds", help="how long the certificate is still valid"),
    )

    def __init__(self, names: Names | None = None) -> None:
        self._names = names or Names()

    def instances(self) -> tuple[str, ...]:
        return ()

    async def run(self, node: Node, params: TcpParams, instance: str, timeout_s: float) -> Outcome:
        host, progress = params.host or node.address, _Progress()
        where = f"{host}:{params.port}"
        try:
            async with asyncio.timeout(timeout_s):
                return await self._talk(host, where, params, progress)
        except TimeoutError:
            raise TimedOut(f"time-out after {timeout_s:g} s, {progress.doing} ({where})") from None
        except OSError as error:
            raise CheckFailed(explain(error, where)) from None

    async def close(self) -> None:
        self._names.close()

    async def _talk(self, host: str, where: str, params: TcpParams, progress: _Progress) -> Outcome:
        found = await self._names.find(host, params.port)
        progress.doing = "connecting"
        context = tls_context(params.verify_tls, params.ca_file) if params.tls else None
        began = time.perf_counter()
        reader, writer = await _connect(found, context, host)
        try:
            seconds = time.perf_counter() - began
            values = {"connect_seconds": seconds} | _certificate(writer)
            status = f"connected to {where} in {shown(seconds)}"
            if not params.send and not params.expect:
                return Outcome(values=values, status=status)
            progress.doing = f"waiting for {params.expect!r}"
            writer.write(params.send.encode())
            await writer.drain()
            text = await _banner(reader, params.expect) if params.expect else ""
        finally:
            writer.transport.abort()  # nothing more is to be said: a polite close may take the other side's time
        if params.expect and not (match := matches(params.expect, text)):
            evidence = f"[BANNER] ({match.shown}) matches {params.expect!r}"
            return Outcome(values=values, status=evidence, state=State.ERR)
        return Outcome(values=values, status=f"{status}, {'as expected' if params.expect else 'sent'}")


async def _connect(
    found: list[Found], context: ssl.SSLContext | None, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that takes it; raises the last one's OSError."""
    name = host if context else None
    for address in found[:-1]:
        try:
            return await asyncio.open_connection(
                address.text, address.sockaddr[1], family=address.family, ssl=context, server_hostname=name
            )
        except OSError:
            continue
    last = found[-1]
    return await asyncio.open_connection(
        last.text, last.sockaddr[1], family=last.family, ssl=context, server_hostname=name
    )


def _certificate(writer: asyncio.StreamWriter) -> dict[str, float]:
    tls = writer.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls else None
    end = expires(der) if der else None
    return {"certificate_expires_seconds": (end - datetime.now(UTC)).total_seconds()} if end else {}


async def _banner(reader: asyncio.StreamReader, expect: str) -> str:
    """Read until the text has what is expected, the other side closes, or enough was read."""
    data = b""
    while len(data) < BANNER_BYTES and (part := await reader.read(4096)):
        data += part
        text = data.decode(errors="replace")
        if matches(expect, text):
            return text
    return data.decode(errors="replace")
