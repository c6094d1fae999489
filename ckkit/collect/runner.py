"""
The collector: runs every check at its slots and hands the results on.

    due checks → run, each within its time-out → results → outbox → store

One thread with one asyncio loop: coroutines run on it, blocking checks in `Threads`.
Each slot of each check gives one result, also where the check hangs: then the slots
tell since when. Slots that came too late to be run give none; they are counted.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError
from datetime import UTC, datetime, timedelta
from typing import Any

from ckkit.collect.bounds import failure
from ckkit.collect.catalogue import Catalogue
from ckkit.collect.counters import Counters, allow_sockets
from ckkit.collect.measure import Measured, measure
from ckkit.collect.outbox import Notices, Outbox, Sink
from ckkit.collect.threads import Threads
from ckkit.collect.timetable import Timetable, Watched, prepare
from ckkit.errors import Cancelled, CkkitError, NotFound, TimedOut
from ckkit.model import EPOCH, Check, Node, Outcome, Result, State

LONGEST_SLEEP_S = 0.5  # the wall clock is looked at this often, since it may jump
SHORTEST_SLEEP_S = 0.005  # checks due within it start together: fewer wake-ups
BACK_S = 1.0  # how far the wall clock must fall behind the monotonic one between two looks to have jumped
BLOCKED_S = 5.0


def utcnow() -> datetime:
    return datetime.now(UTC)


def milliseconds(at: datetime) -> int:
    """Return whole milliseconds since the epoch."""
    return (at - EPOCH) // timedelta(milliseconds=1)


class Collector:
    """
    `set_checks`, `run_now` and `counters` may be called from any thread; `start` and `stop` once.

    `sink` is given batches with a sequence that grows from 1 in this object's life; see `Outbox`.
    """

    def __init__(
        self,
        sink: Sink,
        notices: Notices,
        *,
        catalogue: Catalogue | None = None,
        clock: Callable[[], datetime] = utcnow,
        threads: int = 8,
        outbox: Outbox | None = None,
    ) -> None:
        self.catalogue = catalogue or Catalogue()
        self.outbox = outbox or Outbox(sink, notices)
        self._notices, self._clock = notices, clock
        self._threads = Threads(threads, name="ckkit-check")
        self._counters = Counters()
        self._timetable = Timetable()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._wake = asyncio.Event()
        self._stopping = threading.Event()
        self._looked = (0, time.monotonic())  # what the wall clock and the monotonic one said at the last look
        self._thread = threading.Thread(target=self._live, name="ckkit-collector", daemon=True)
        self._guard = threading.Thread(target=self._watch_loop, name="ckkit-collector-guard", daemon=True)

    def start(self) -> None:
        """Start to run checks, in a thread of its own."""
        allow_sockets()
        self._looked = (milliseconds(self._clock()), time.monotonic())
        self.outbox.start()
        self._thread.start()
        self._guard.start()

    def stop(self, patience_s: float = 5.0) -> int:
        """End: running checks are cancelled, results on their way delivered. Returns how many results are lost."""
        self._stopping.set()
        if self._thread.ident is None:
            self._loop.close()
            return 0
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._wake.set)
            self._thread.join(patience_s)
        self._guard.join(patience_s)
        self._threads.close()
        return self.outbox.stop(patience_s)

    def set_checks(self, checks: Iterable[Check], nodes: Iterable[Node]) -> None:
        """
        Watch these checks, and no others. Each needs its `check_id` and its node among `nodes`.

        A check that is watched already keeps its slots, and a run that is under way; one that is not any more ends
        without a result. A check that cannot be run (no such type, wrong params) has results that say so.
        """
        by_name = {node.name: node for node in nodes}
        wanted = [prepare(check, by_name.get(check.node), self.catalogue) for check in checks]
        if not self._thread.is_alive():
            self._replace(wanted)
            return
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: this collector ends
            self._loop.call_soon_threadsafe(self._replace, wanted)

    def run_now(self, key: str, *, patience_s: float = 60.0) -> Result:
        """
        Run a check outside its slots, and return the result once it is stored. Its `ts` is when it started.

        Raises:
            NotFound: no check of that key is watched.
            Cancelled: it was removed, or this collector ended, meanwhile.
            TimedOut: it was measured, but the store has not taken it yet.
        """
        asked = asyncio.run_coroutine_threadsafe(self._once(key), self._loop)
        try:
            result, place = asked.result(patience_s)
        except CancelledError:
            raise Cancelled(f"{key} was stopped: it is not watched any more") from None
        except TimeoutError:
            asked.cancel()
            raise TimedOut(f"{key} was not measured within {patience_s:g} s") from None
        if not self.outbox.wait(place, 5.0):
            raise TimedOut(
                f"{key} was measured ({result.state}: {result.status}), but the store has not taken the result within "
                "5 s: it is kept until it does; see `ckkit status`"
            )
        return result

    def counters(self) -> dict[str, float]:
        """Return what was counted since the start, and what is so now; a name ends in its unit."""
        box, watched = self.outbox, list(self._timetable.watched.values())
        return self._counters.shown() | {
            "skipped": float(self._timetable.skipped),
            "clock_back": float(self._timetable.clock_back),
            "checks": float(len(watched)),
            "running": float(len(self._tasks)),
            "hanging": float(sum(w.hanging for w in watched)),
            "hanging_threads": float(self._threads.hanging),
            "waiting": float(box.waiting),
            "sent": float(box.sent),
            "dropped": float(box.dropped),
            "refused": float(box.refused),
            "loop_behind_seconds": self._behind_s(),
        }

    # -- in the thread of the loop -------------------------------------------------------------------------------

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._say_bug)
        try:
            self._loop.run_until_complete(self._schedule())
            self._loop.run_until_complete(self._clean_up())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _schedule(self) -> None:
        while not self._stopping.is_set():
            now = self._look()
            for watched, slot in self._timetable.take(now):
                self._counters.count_start((now - slot) / 1000)
                self._start(watched, slot)
            due = self._timetable.next_due()
            pause = LONGEST_SLEEP_S if due is None else (due - milliseconds(self._clock())) / 1000
            await self._sleep(min(max(pause, SHORTEST_SLEEP_S), LONGEST_SLEEP_S))

    def _look(self) -> int:
        """Return the time, after a look whether the wall clock went back since the last one."""
        (wall, steady), (wall_now, steady_now) = self._looked, (milliseconds(self._clock()), time.monotonic())
        if (wall_now - wall) / 1000 < steady_now - steady - BACK_S:
            self._timetable.clock_went_back(wall_now)
        self._looked = (wall_now, steady_now)
        return wall_now

    async def _sleep(self, seconds: float) -> None:
        handle = self._loop.call_later(seconds, self._wake.set)
        await self._wake.wait()
        self._wake.clear()
        handle.cancel()

    def _start(self, watched: Watched, slot: int) -> "asyncio.Task[tuple[Result, int]] | None":
        ts = EPOCH + timedelta(milliseconds=slot)
        if watched.busy:
            self._counters.still_running += 1
            status = f"still running since {watched.since:%H:%M:%S} UTC: not started again before that has ended"
            self._hand_on(watched, ts, Outcome(state=State.ERR, status=status), 0.0)
            return None
        watched.since = self._clock()
        task = self._loop.create_task(self._run(watched, ts), name=watched.check.key)
        watched.running = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, watched: Watched, ts: datetime) -> tuple[Result, int]:
        began = time.perf_counter()
        try:
            measured = await self._measured(watched)
        finally:
            watched.running = None
        watched.hangs = measured.hangs
        self._counters.timeouts += measured.timed_out
        return self._hand_on(watched, ts, measured.outcome, time.perf_counter() - began)

    async def _measured(self, watched: Watched) -> Measured:
        if watched.kind is None:
            return Measured(Outcome(state=State.ERR, status=watched.problem))
        try:
            return await measure(watched.kind, watched.check, watched.node, watched.params, self._threads)
        except Exception as error:  # noqa: BLE001  the border of one check's run: whatever it is, the others go on
            return Measured(Outcome(state=State.ERR, status=failure(error)))

    def _hand_on(self, watched: Watched, ts: datetime, outcome: Outcome, took: float) -> tuple[Result, int]:
        """Give the result to the outbox; returns it with its place there (0: the check is gone, so is its result)."""
        self._counters.errors += outcome.state is State.ERR
        result = Result(
            check_id=watched.check.check_id or 0,
            ts=ts,
            state=outcome.state,
            took_seconds=took,
            status=outcome.status,
            values=outcome.values,
        )
        return result, 0 if watched.gone else self.outbox.put(result)

    async def _once(self, key: str) -> tuple[Result, int]:
        watched = self._timetable.watched.get(key)
        if watched is None:
            raise NotFound(f"no check {key!r} is watched: `ckkit checks` lists them")
        while watched.running is not None:
            await asyncio.wait({watched.running})
        task = self._start(watched, milliseconds(self._clock()))
        if task is None:
            raise CkkitError(f"{key} hangs since {watched.since:%H:%M:%S} UTC and is not started again before it ends")
        return await task

    def _replace(self, wanted: Sequence[Watched]) -> None:
        for gone in self._timetable.replace(wanted, milliseconds(self._clock())):
            if gone.running is not None:
                gone.running.cancel()
        self._wake.set()

    async def _clean_up(self) -> None:
        """Cancel what runs, give it a moment, and let the check types close what they hold open."""
        running = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=1.0)
        for kind in self.catalogue.types.values():
            if (close := getattr(kind, "close", None)) is not None:
                await close()
        await self._loop.shutdown_asyncgens()

    def _say_bug(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception that a check left on the loop, in a task that nobody looks at: its bug, not ours."""
        if not self._stopping.is_set():
            error = context.get("exception")
            said = failure(error) if isinstance(error, BaseException) else str(context.get("message"))
            self._notices.raise_("collect.bug", "warn", f"a check left an error on the loop: {said}")

    # -- in a thread beside it -----------------------------------------------------------------------------------

    def _behind_s(self) -> float:
        alive = self._thread.is_alive() and not self._stopping.is_set()
        return max(0.0, time.monotonic() - self._looked[1] - LONGEST_SLEEP_S) if alive else 0.0

    def _watch_loop(self) -> None:
        """Say when a coroutine holds the loop up: nothing else can be run then, and nobody else could say it."""
        said = False
        while not self._stopping.wait(1.0):
            behind = self._behind_s()
            if behind > BLOCKED_S:
                task = asyncio.current_task(self._loop)
                culprit = task.get_name() if task else "something"
                self._notices.raise_(
                    "collect.blocked",
                    "critical",
                    f"no check has started for {behind:.0f} s: {culprit} holds the loop up. A check type whose run is "
                    "a coroutine must not wait without `await`; make it a plain function, and it runs in a thread",
                )
                said = True
            elif said:
                self._notices.clear("collect.blocked")
                said = False
