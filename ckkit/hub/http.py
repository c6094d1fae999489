"""
The hub's HTTP server: the wire, and what machines ask (`/healthz`, `/metrics`, `/v1/openapi.json`).

One loop in a thread of its own does nothing but parse and send; what blocks is done in pools: one for reads, where long
queries wait for each other, and others for commands and appends, which do not wait for reads. When a client goes away
its handler is cancelled, and so is its query.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import structlog
from aiohttp import web

from ckkit.errors import CkkitError, Refused, Unauthenticated
from ckkit.hub import incoming, openapi
from ckkit.hub.auth import must_append, peer_of
from ckkit.hub.doors import Doors
from ckkit.hub.reading import Answer
from ckkit.hub.registry import Caller, Role
from ckkit.hub.watching import Watchers
from ckkit.stats import exposition
from ckkit.wire.request import ARROW, unpack

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub

READERS, COMMANDERS, APPENDERS = 64, 16, 8  # threads
READ_BYTES, COMMAND_BYTES, APPEND_BYTES = 16 << 20, 4 << 20, 256 << 20  # of a request's body, at most
WRITE_S = 60.0  # a client that takes nothing for so long is taken for gone
STOP_S = 3.0
LAG_EVERY_S = 0.5
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
QUIET = logging.getLogger("ckkit.http")
"""For the server below: of a request that it cannot read it would log the headers, and a token with them."""
QUIET.setLevel(logging.CRITICAL)
log = structlog.get_logger("http")


class HttpService:
    """`start` returns once it answers; `stop` ends every request."""

    def __init__(self, hub: "Hub", doors: Doors) -> None:
        self._hub, self._doors = hub, doors
        self._reads = ThreadPoolExecutor(READERS, "ckkit-read")
        self._commands = ThreadPoolExecutor(COMMANDERS, "ckkit-command")
        self._appends = ThreadPoolExecutor(APPENDERS, "ckkit-append")
        self._answers: set[Answer] = set()
        self._watchers = Watchers(hub.bus, self._reads)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._live, name="ckkit-http", daemon=True)
        self.lag_s = 0.0
        """How late the loop was, the worst of the last minute or so."""

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(STOP_S + 5.0)
        for pool in (self._reads, self._commands, self._appends):
            pool.shutdown(wait=False, cancel_futures=True)

    # -- the loop ------------------------------------------------------------------------------------------------

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001  told to whoever called `start`
            self._failed = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        runner = web.AppRunner(
            self._app(),
            handler_cancellation=True,
            access_log=None,
            logger=QUIET,
            keepalive_timeout=3600.0,
            shutdown_timeout=STOP_S,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, self._doors.unix, backlog=256).start()
            await web.SockSite(runner, self._doors.tcp, backlog=256).start()
            lag = asyncio.create_task(self._measure_lag())
            self._ready.set()
            await self._stopping.wait()
            lag.cancel()
        finally:
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._border], client_max_size=APPEND_BYTES)
        app.add_routes(
            [
                web.post("/v1/read", self._read),
                web.put("/v1/append/{table}", self._append),
                web.post("/v1/command/{name}", self._command),
                web.get("/v1/watch", self._watch),
                web.get("/v1/openapi.json", self._openapi),
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
            ]
        )
        app.on_response_prepare.append(self._sign)
        app.on_shutdown.append(self._let_go)
        return app

    async def _let_go(self, app: web.Application) -> None:
        for answer in [*self._answers]:
            answer.stop("the hub stops")
        self._watchers.close()

    async def _sign(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Ckkit-Boot"] = self._hub.boot

    async def _measure_lag(self) -> None:
        while True:
            due = self._loop.time() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            late = max(0.0, self._loop.time() - due)
            self.lag_s = max(late, self.lag_s * 0.97)
            self._hub.counters.observe("loop_lag_seconds", late)

    # -- the border ----------------------------------------------------------------------------------------------

    @web.middleware
    async def _border(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Find out who asks, and turn whatever goes wrong into a document."""
        try:
            if request.path != "/healthz":
                request[CALLER] = self._caller(request)
            return await handler(request)
        except CkkitError as error:
            if isinstance(error, Unauthenticated):
                self._hub.counters.add("refused_total")
            return _failed(error)
        except web.HTTPException as error:
            return _failed(_of_http(request, error), error.status)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # the border of a request: a bug of ours, told without what it may have held
            self._hub.counters.add("failures_total")
            log.exception("a request failed", path=request.path)
            return _failed(CkkitError(f"the hub failed ({type(error).__name__}): its log says more, `ckkit logs hub`"))

    def _caller(self, request: web.Request) -> Caller:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        peer = peer_of(transport.get_extra_info("socket"))
        address = transport.get_extra_info("peername")
        where = ":".join(map(str, address[:2])) if isinstance(address, tuple) else ""
        return self._hub.gate.caller(peer, where, request.headers.get("Authorization"))

    # -- the wire ------------------------------------------------------------------------------------------------

    async def _read(self, request: web.Request) -> web.StreamResponse:
        request[CALLER].must_be(Role.VIEWER, "reading")
        body = await incoming.body(request, READ_BYTES)
        answer = Answer(self._hub.store, unpack(body), self._hub.read_limit_s)
        began, outcome = time.perf_counter(), "ok"
        self._answers.add(answer)
        try:
            data, done = await self._loop.run_in_executor(self._reads, answer.first)
            if done:
                return web.Response(body=data, content_type=ARROW)
            response = await self._stream(request, answer, data)
            outcome = answer.error or "ok"
            return response
        except CkkitError as error:
            outcome = error.code
            raise
        except (asyncio.CancelledError, ConnectionError, TimeoutError):
            outcome = "gone"
            answer.stop("nobody waits for it any more")
            self._reads.submit(answer.close)
            raise
        finally:
            self._answers.discard(answer)
            self._hub.counters.add("reads_total", outcome=outcome)
            self._hub.counters.observe("read_seconds", time.perf_counter() - began)
            if outcome in ("gone", "timeout"):
                self._hub.counters.add("reads_cancelled_total", why=outcome)

    async def _stream(self, request: web.Request, answer: Answer, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": ARROW})
        response.enable_chunked_encoding()
        await response.prepare(request)
        done = False
        while True:
            async with asyncio.timeout(WRITE_S):
                await response.write(data)
            if done:
                break
            data, done = await self._loop.run_in_executor(self._reads, answer.more)
        await response.write_eof()
        return response

    async def _append(self, request: web.Request) -> web.Response:
        must_append(request[CALLER])
        source, boot = incoming.asked(request, "source"), incoming.asked(request, "boot")
        sequence = incoming.number(request, "sequence")
        body = await incoming.body(request, APPEND_BYTES)
        table = request.match_info["table"]
        began, outcome = time.perf_counter(), "ok"

        def append() -> bytes:
            data = incoming.table(body)
            receipt = self._hub.store.append(table, data, source=source, boot=boot, sequence=sequence)
            return msgspec.json.encode(receipt)

        try:
            return _json(await self._loop.run_in_executor(self._appends, append))
        except CkkitError as error:
            outcome = error.code
            raise
        finally:
            self._hub.counters.add("appends_total", outcome=outcome)
            self._hub.counters.observe("append_seconds", time.perf_counter() - began)

    async def _command(self, request: web.Request) -> web.Response:
        body = await incoming.body(request, COMMAND_BYTES)
        name, headers = request.match_info["name"], request.headers
        key, again = headers.get("Ckkit-Id", ""), headers.get("Ckkit-Again")
        run = self._hub.dispatch.run
        return _json(
            await self._loop.run_in_executor(self._commands, run, name, body, request[CALLER], key, again),
        )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        request[CALLER].must_be(Role.VIEWER, "watching")
        return await self._watchers.serve(request)

    # -- for machines --------------------------------------------------------------------------------------------

    async def _healthz(self, request: web.Request) -> web.Response:
        return _json(msgspec.json.encode({"ok": True, "pid": os.getpid(), "version": self._hub.version}))

    async def _metrics(self, request: web.Request) -> web.Response:
        request[CALLER].must_be(Role.VIEWER, "reading /metrics")
        text = await self._loop.run_in_executor(self._commands, self._hub.measured)
        return web.Response(body=text.encode(), headers={"Content-Type": exposition.CONTENT_TYPE})

    async def _openapi(self, request: web.Request) -> web.Response:
        found = await self._loop.run_in_executor(self._commands, openapi.document, self._hub.version)
        return _json(msgspec.json.encode(found))


def _failed(error: CkkitError, status: int | None = None) -> web.Response:
    body = msgspec.json.encode(error.to_wire(), enc_hook=str)
    return web.Response(body=body, status=status or error.status, content_type="application/json")


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _of_http(request: web.Request, error: web.HTTPException) -> CkkitError:
    if error.status == 404:
        return CkkitError(f"there is nothing at {request.path}: /v1/openapi.json says what there is")
    return Refused(f"{request.method} {request.path}: {error.reason}")
