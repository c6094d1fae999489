"""`http`: asks a URL, and holds the answer to what is expected. Each way to fail has a text of its own."""

import asyncio
import base64
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal

import aiohttp
import msgspec
import regex
from aiohttp.connector import Connection

from ckkit.collect.certificate import expires
from ckkit.collect.checks.web import explain, matches, parse_status, show_status, shown, tls_context
from ckkit.collect.names import Names, Resolver
from ckkit.collect.secrets import secret
from ckkit.errors import CheckFailed, TimedOut
from ckkit.model import Metric, Node, Outcome, State

BODY_BYTES = 100_000
Told = msgspec.Meta


class HttpParams(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    url: Annotated[str, Told(description="what to ask; {address} and {node} stand for the node's")] = (
        "http://{address}/"
    )
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: Annotated[dict[str, str], Told(description="sent with the request; no secrets")] = {}
    body: Annotated[str, Told(description="sent with the request")] = ""
    status: Annotated[str | int, Told(description="expected: 200, 200-399, or several with commas")] = "200-399"
    body_matches: Annotated[str, Told(description="regular expression that the first 100 kB must have")] = ""
    max_seconds: Annotated[
        Annotated[float, Told(gt=0)] | None, Told(description="how long the answer may take, with its body")
    ] = None
    verify_tls: Annotated[bool, Told(description="whether the certificate must be valid")] = True
    ca_file: Annotated[str, Told(description="certificates to trust, instead of the system's (PEM)")] = ""
    follow_redirects: Annotated[bool, Told(description="whether to follow up to ten redirects")] = True
    user: Annotated[str, Told(description="for basic authentication, with password_env or password_file")] = ""
    password_env: Annotated[str, Told(description="environment variable with the password")] = ""
    password_file: Annotated[str, Told(description="file with the password")] = ""
    token_env: Annotated[str, Told(description="environment variable with a bearer token")] = ""
    token_file: Annotated[str, Told(description="file with a bearer token")] = ""

    def __post_init__(self) -> None:
        if not re.match(r"https?://[^/]", self.url):
            raise ValueError(f"`url` is {self.url!r}: it must start with http:// or https:// and a host")
        if "@" in self.url.split("/")[2]:
            raise ValueError("`url` holds a user or password: write `user` and `password_env` or `password_file`")
        for name, value in self.headers.items():
            if name.lower() in ("authorization", "proxy-authorization", "cookie"):
                raise ValueError(f"`headers` holds {name}, a secret: use user, password_env, token_env or token_file")
            if re.search(r"[\r\n\0]", name + value):
                raise ValueError(f"`headers`: {name[:40]!r} has a line break")
        parse_status(self.status)
        try:
            regex.compile(self.body_matches)
        except regex.error as error:
            raise ValueError(f"`body_matches` is no regular expression: {error}") from None


@dataclass(slots=True)
class _Progress:
    """How far a request is: what a time-out was spent with."""

    began: float
    doing: str = "connecting"
    connect_seconds: float | None = None
    first_byte_seconds: float | None = None


class _Response(aiohttp.ClientResponse):
    """Keeps the server's certificate, which is out of reach once a short body has been read."""

    certificate: bytes | None = None

    async def start(self, connection: Connection) -> "_Response":
        tls = connection.transport.get_extra_info("ssl_object") if connection.transport else None
        if tls is not None:
            self.certificate = tls.getpeercert(binary_form=True)
        await super().start(connection)
        return self


class Http:
    name: ClassVar[str] = "http"
    help: ClassVar[str] = "Asks a URL, and holds the answer to what is expected."
    local: ClassVar[bool] = False
    Params: ClassVar[type[msgspec.Struct]] = HttpParams
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="duration_seconds", unit="seconds", help="from the start to the end of the body, with redirects"),
        Metric(name="connect_seconds", unit="seconds", help="name look-up, TCP and TLS, of the last connection"),
        Metric(name="first_byte_seconds", unit="seconds", help="from the start to the headers of the answer"),
        Metric(name="status_code", exact=True, help="the HTTP status"),
        Metric(name="size_bytes", unit="bytes", help="of the body, as far as it was read: at most 100,000"),
        Metric(name="certificate_expires_seconds", unit="seconds", help="how long the certificate is still valid"),
    )

    def __init__(self, names: Names | None = None) -> None:
        self._names = names or Names()
        self._session: aiohttp.ClientSession | None = None

    def instances(self) -> tuple[str, ...]:
        return ()

    async def run(self, node: Node, params: HttpParams, instance: str, timeout_s: float) -> Outcome:
        progress = _Progress(time.perf_counter())
        url = _url(params, node)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(url, params, progress)
        except TimeoutError:
            raise TimedOut(f"time-out after {timeout_s:g} s, {progress.doing} ({_host(url)})") from None
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise CheckFailed(explain(error, _host(url))) from None

    async def close(self) -> None:
        """Close what is held open. Called in the loop where the checks ran."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._names.close()

    async def _ask(self, url: str, params: HttpParams, progress: _Progress) -> Outcome:
        request = self._sessions().request(
            params.method,
            url,
            data=params.body.encode() or None,
            headers=_headers(params),
            allow_redirects=params.follow_redirects,
            ssl=tls_context(params.verify_tls, params.ca_file),
            trace_request_ctx=progress,
        )
        async with request as response:
            progress.first_byte_seconds = time.perf_counter() - progress.began
            progress.doing = "reading the body"
            body, whole = await _body(response)
            seconds = time.perf_counter() - progress.began
            certificate = response.certificate if isinstance(response, _Response) else None
            values = _values(progress, response.status, seconds, len(body), certificate)
            wrong = _wrong(params, response.status, seconds, _text(body, response.charset))
        if wrong:
            return Outcome(values=values, status="; ".join(wrong), state=State.ERR)
        size = f"{len(body)} bytes" if whole else f"more than {len(body)} bytes"
        return Outcome(values=values, status=f"{response.status} {response.reason or ''} in {shown(seconds)}, {size}")

    def _sessions(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection a request: what is measured is what a newcomer gets. No cookies are kept between checks.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True, resolver=Resolver(self._names)),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                headers={"User-Agent": "ckkit"},
                response_class=_Response,
                trace_configs=[_tracing()],
            )
        return self._session


def _tracing() -> aiohttp.TraceConfig:
    """Note in the request's `_Progress` what it is doing."""
    trace = aiohttp.TraceConfig()

    async def connecting(_: Any, context: SimpleNamespace, __: Any) -> None:
        context.at = time.perf_counter()
        context.trace_request_ctx.doing = "connecting"

    async def looking_up(_: Any, context: SimpleNamespace, __: Any) -> None:
        context.trace_request_ctx.doing = "looking the name up"

    async def found(_: Any, context: SimpleNamespace, __: Any) -> None:
        context.trace_request_ctx.doing = "connecting"

    async def connected(_: Any, context: SimpleNamespace, __: Any) -> None:
        context.trace_request_ctx.connect_seconds = time.perf_counter() - context.at
        context.trace_request_ctx.doing = "waiting for the answer"

    trace.on_connection_create_start.append(connecting)
    trace.on_dns_resolvehost_start.append(looking_up)
    trace.on_dns_resolvehost_end.append(found)
    trace.on_connection_create_end.append(connected)
    return trace


def _url(params: HttpParams, node: Node) -> str:
    address = f"[{node.address}]" if ":" in node.address else node.address
    return params.url.replace("{address}", address).replace("{node}", node.name)


def _host(url: str) -> str:
    """What may be shown of a URL: a path or a query may hold a secret."""
    return url.split("/")[2]


def _headers(params: HttpParams) -> dict[str, str]:
    headers = dict(params.headers)
    if token := secret("the check's token", params.token_env, params.token_file):
        headers["Authorization"] = f"Bearer {token}"
    elif params.user:
        password = secret("the check's password", params.password_env, params.password_file)
        headers["Authorization"] = "Basic " + base64.b64encode(f"{params.user}:{password}".encode()).decode()
    return headers


async def _body(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Return the start of the body, and whether it is all of it."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > BODY_BYTES:
            response.close()
            return b"".join(parts)[:BODY_BYTES], False
    return b"".join(parts), True


def _text(body: bytes, charset: str | None) -> str:
    try:
        return body.decode(charset or "utf-8", errors="replace")
    except LookupError:
        return body.decode("utf-8", errors="replace")


def _values(progress: _Progress, status: int, seconds: float, size: int, certificate: bytes | None) -> dict[str, float]:
    values: dict[str, float] = {"duration_seconds": seconds, "status_code": status, "size_bytes": size}
    if progress.connect_seconds is not None:
        values["connect_seconds"] = progress.connect_seconds
    if progress.first_byte_seconds is not None:
        values["first_byte_seconds"] = progress.first_byte_seconds
    if certificate and (end := expires(certificate)) is not None:
        values["certificate_expires_seconds"] = (end - datetime.now(UTC)).total_seconds()
    return values


def _wrong(params: HttpParams, status: int, seconds: float, body: str) -> list[str]:
    """Return the evidence of each expectation that does not hold: what was found, and what was expected."""
    wrong = []
    ranges = parse_status(params.status)
    if not any(low <= status <= high for low, high in ranges):
        wrong.append(f"[STATUS] ({status}) == {show_status(ranges)}")
    if params.body_matches and not (found := matches(params.body_matches, body)):
        wrong.append(f"[BODY] ({found.shown}) matches {params.body_matches!r}")
    if params.max_seconds is not None and seconds > params.max_seconds:
        wrong.append(f"[SECONDS] ({seconds:.3f}) <= {params.max_seconds:g}")
    return wrong
