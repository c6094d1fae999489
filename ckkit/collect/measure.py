"""
One run of one check, whatever the check does: this never raises, and never waits longer than the time-out.

A check that raises, returns nonsense, calls `sys.exit`, or does not end becomes an
outcome with state `err` and the reason. What does not end after its time-out is given
up: `hangs` tells the caller not to start that check again until it has.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ckkit.collect.bounds import bounded, failure
from ckkit.collect.threads import Threads
from ckkit.errors import TimedOut
from ckkit.model import Check, Node, Outcome, State
from ckkit.protocols import CheckType

SLACK_S = 0.25
"""How much longer than its time-out a check may take: one that minds the time-out itself says better what was slow."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`hangs` is what was given up and still runs: it has `done()` and `add_done_callback`."""

    outcome: Outcome
    timed_out: bool = False
    hangs: "asyncio.Task[Any] | Future[Any] | None" = field(default=None, compare=False)


async def measure(kind: CheckType, check: Check, node: Node, params: Any, threads: Threads) -> Measured:
    """Run a check once: on this loop when its `run` is a coroutine function, else in one of the `threads`."""
    timeout_s = check.timeout.total_seconds()

    def run() -> Any:
        return kind.run(node, params, check.instance, timeout_s)

    if inspect.iscoroutinefunction(kind.run):
        return await _on_loop(run, timeout_s, check.key)
    return await _in_thread(run, timeout_s, threads)


async def _on_loop(run: Callable[[], Any], timeout_s: float, name: str) -> Measured:
    task = asyncio.create_task(_contained(run), name=name)
    done, _ = await _within(task, timeout_s + SLACK_S)
    if done:
        return _settled(task)
    task.cancel()
    await asyncio.wait({task}, timeout=SLACK_S)
    return Measured(_too_slow(timeout_s), timed_out=True, hangs=None if task.done() else task)


async def _contained(run: Callable[[], Awaitable[Any]]) -> Any:
    """A task that ends with one of these would take the loop with it."""
    try:
        return await run()
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"the check raised {type(error).__name__}") from error


async def _in_thread(run: Callable[[], Any], timeout_s: float, threads: Threads) -> Measured:
    call = threads.submit(run)
    waiting = asyncio.wrap_future(call)
    done, _ = await _within(waiting, timeout_s + SLACK_S)
    if done:
        return _settled(waiting)
    never_began = not call.running()
    hangs = threads.abandon(call)
    waiting.cancel()
    if never_began and not hangs:
        why = f"no thread was free for {timeout_s:g} s: {threads.hanging} hang in other checks"
        return Measured(Outcome(state=State.ERR, status=why), timed_out=True)
    return Measured(_too_slow(timeout_s), timed_out=True, hangs=call if hangs else None)


async def _within(work: "asyncio.Future[Any]", patience_s: float) -> tuple[set[Any], set[Any]]:
    try:
        return await asyncio.wait({work}, timeout=patience_s)
    except asyncio.CancelledError:
        work.cancel()
        raise


def _settled(work: "asyncio.Future[Any]") -> Measured:
    if work.cancelled():
        return Measured(Outcome(state=State.ERR, status="the check cancelled itself: a bug of the check"))
    error = work.exception()
    if error is None:
        try:
            return Measured(bounded(work.result()))
        except Exception as wrong:  # noqa: BLE001  an Outcome with nonsense in it: also the check's failure
            error = wrong
    outcome = Outcome(state=State.ERR, status=failure(error))
    return Measured(outcome, timed_out=isinstance(error, TimedOut | TimeoutError))


def _too_slow(timeout_s: float) -> Outcome:
    return Outcome(state=State.ERR, status=f"time-out: not done after {timeout_s:g} s")
