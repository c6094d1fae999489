"""Events as server-sent events: one handler a watcher, each with a bounded queue on the bus."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from ckkit.errors import Invalid
from ckkit.hub.bus import Bus, Subscription, Told

BEAT_S = 15.0  # a comment this often says that the hub lives
WRITE_S = 60.0  # a client that takes nothing for so long is taken for gone


class Watchers:
    """`serve` is the handler; `close` ends every watch."""

    def __init__(self, bus: Bus, pool: ThreadPoolExecutor) -> None:
        self._bus, self._pool = bus, pool
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        topics = [topic.strip() for topic in request.query.get("topics", "").split(",")]
        since = _since(request.query.get("since") or request.headers.get("Last-Event-ID"))
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the hub ends
                loop.call_soon_threadsafe(news.set)

        subscribe: Callable[[], Subscription] = lambda: self._bus.subscribe(topics, since, wake)  # noqa: E731
        subscription = await loop.run_in_executor(self._pool, subscribe)
        try:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
            await response.prepare(request)
            await response.write(b"id: %d\n\n" % subscription.seq)
            news.set()
            # A task of its own, so that closing can end the watch and still let the answer end properly.
            task = asyncio.create_task(self._send(response, subscription, news))
            self._tasks.add(task)
            try:
                await asyncio.wait({task})
            finally:
                self._tasks.discard(task)
                task.cancel()
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
            return response
        finally:
            self._bus.unsubscribe(subscription)

    async def _send(self, response: web.StreamResponse, subscription: Subscription, news: asyncio.Event) -> None:
        while True:
            try:
                async with asyncio.timeout(BEAT_S):
                    await news.wait()
            except TimeoutError:
                await _write(response, b":\n\n")
                continue
            news.clear()
            told = await self._taken(subscription)
            if told:
                await _write(response, b"".join(one.frame for one in told))

    async def _taken(self, subscription: Subscription) -> list[Told]:
        """What has come; read in the pool where the log has to be read."""
        if not subscription.behind:
            return self._bus.take(subscription)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._bus.take, subscription)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_S):
        await response.write(data)


def _since(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise Invalid(f"`since` is {text!r}: it must be the number of an event")
    return int(text)
