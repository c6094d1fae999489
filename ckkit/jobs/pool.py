"""
Warm kernels: one loop in one thread, connected clients, a spare started ahead.

A kernel costs half a second of a processor to start and forty megabytes to keep, so
at rest there are two: the warm one, which has imported what its notebook needs, and
a spare, which has imported nothing and stands in when the warm one is busy or broken.
More are started while several notebooks run at once, and dropped when they are done.

The clients are asynchronous ones on purpose: nbclient with a blocking client does not
hold a cell's time-out. The transport is ipc: sockets in a folder of mode 0700, where
TCP would let every user of this machine talk to the kernel.
"""

import ast
import asyncio
import contextlib
import os
import sys
import threading
import time
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog
import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from ckkit.errors import CkkitError, Refused
from ckkit.home import SOCKET_PATH_LIMIT
from ckkit.jobs.kernel import WIPE

log = structlog.get_logger(__name__)
T = TypeVar("T")

MAX_RUNS = 200
START_LIMIT_S = 60.0
WIPE_LIMIT_S = 5.0
RECENT_S = 60.0
KERNEL = [sys.executable, "-m", "ckkit.jobs.kernel", "-f", "{connection_file}"]


class _Specs(KernelSpecManager):
    """Knows one kernel, ours, whatever is installed on this machine."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(argv=KERNEL, display_name="ckkit", language="python")


@dataclass(eq=False, slots=True)
class Kernel:
    """A running kernel and its connected client. `notebook` is what it ran last: what it has imported."""

    manager: Any
    client: Any
    pid: int
    runs: int = 0
    notebook: str = ""
    used: float = 0.0  # of the monotonic clock

    def __str__(self) -> str:
        return f"pid {self.pid}, run {self.runs}"


@dataclass(frozen=True, slots=True)
class Wiped:
    """What a kernel said when it was wiped: the notebook's `changed`, and what could not be taken back."""

    changed: bool | None = None
    left: tuple[str, ...] = ()


@dataclass(slots=True)
class _Kept:
    warm: Kernel | None = None
    spare: "asyncio.Task[Kernel] | None" = None
    busy: set[Kernel] = field(default_factory=set)
    leaving: "set[asyncio.Task[None]]" = field(default_factory=set)


class Pool:
    """
    The kernels of one runner. `call` is for other threads; the coroutines run in the pool's own loop.

    `folder` is where the sockets lie: mode 0700, and its path short (a unix socket's is at most 107 bytes).
    `cwd` and `env` are what the notebooks see.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        max_runs: int = MAX_RUNS,
        spare: bool = True,
    ) -> None:
        if len(bytes(folder)) + 30 > SOCKET_PATH_LIMIT:
            raise Refused(f"{folder} is too long a path for a kernel's sockets: at most {SOCKET_PATH_LIMIT - 30} bytes")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._cwd, self._env = folder, str(cwd) if cwd else None, env or {}
        self._max_runs, self._want_spare = max_runs, spare
        self._kept = _Kept()
        self._context = zmq.asyncio.Context()
        self._specs = _Specs()
        self.starts = 0
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="kernels", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], limit_s: float | None = None) -> T:
        """Run a coroutine in the pool's loop and wait for it. Not to be called from that loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(limit_s)

    def warm_up(self) -> None:
        """Have the spare started now rather than at the first run. Returns at once."""
        self.loop.call_soon_threadsafe(self._start_spare)

    @property
    def pids(self) -> list[int]:
        """The kernels' process ids: running, warm and spare."""
        kept = self._kept
        kernels = [*kept.busy, kept.warm]
        if kept.spare is not None and kept.spare.done() and not kept.spare.cancelled() and not kept.spare.exception():
            kernels.append(kept.spare.result())
        return [k.pid for k in kernels if k is not None]

    def close(self) -> None:
        """End every kernel and the loop. A run that is under way fails with a dead kernel."""
        if self.loop.is_closed():
            return
        self.call(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self._context.destroy(linger=0)
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    async def take(self, notebook: str) -> Kernel:
        """
        Return a clean, living kernel: the warm one when it ran this notebook last, else the spare, else a new one.

        Raises CkkitError where no kernel can be started.
        """
        kernel = await self._warm_for(notebook) or await self._from_spare() or await self._start()
        self._kept.busy.add(kernel)
        if self._want_spare:
            self._start_spare()
        kernel.runs += 1
        kernel.notebook = notebook
        return kernel

    async def give(self, kernel: Kernel, *, clean: bool) -> Wiped:
        """
        Take a kernel back after a run: wiped and kept warm, or dropped.

        Dropped when the run was not `clean`, after `max_runs`, when something is left in it that cannot be wiped,
        and when another kernel, used in the last minute and with more runs behind it, is warm already.
        """
        self._kept.busy.discard(kernel)
        wiped = await self._wipe(kernel) if clean else Wiped(left=("a run that failed",))
        if wiped.left or kernel.runs >= self._max_runs:
            if clean and wiped.left:
                log.warning("kernel dropped", kernel=kernel.pid, notebook=kernel.notebook, left=list(wiped.left))
            self.drop(kernel)
            return wiped
        kernel.used = time.monotonic()
        warm = self._kept.warm
        stays = warm is not None and warm.runs > kernel.runs and kernel.used - warm.used < RECENT_S
        loser = kernel if stays else warm
        if not stays:
            self._kept.warm = kernel
        if loser is not None:
            self.drop(loser)
        return wiped

    def drop(self, kernel: Kernel) -> None:
        """End a kernel, and every process it started, without waiting for it."""
        task = self.loop.create_task(self._end(kernel))
        self._kept.leaving.add(task)
        task.add_done_callback(self._kept.leaving.discard)

    async def _warm_for(self, notebook: str) -> Kernel | None:
        kernel = self._kept.warm
        if kernel is None:
            return None
        if not await kernel.manager.is_alive():
            log.warning("warm kernel had died", kernel=kernel.pid, notebook=kernel.notebook)
            self._kept.warm = None
            self.drop(kernel)
            return None
        if kernel.notebook != notebook and self._want_spare:
            return None
        self._kept.warm = None
        return kernel

    async def _from_spare(self) -> Kernel | None:
        task, self._kept.spare = self._kept.spare, None
        if task is None:
            return None
        try:
            kernel = await task
        except CkkitError as error:
            log.warning("spare kernel did not start", why=str(error))
            return None
        if await kernel.manager.is_alive():
            return kernel
        self.drop(kernel)
        return None

    def _start_spare(self) -> None:
        if self._kept.spare is None:
            self._kept.spare = self.loop.create_task(self._start())

    async def _start(self) -> Kernel:
        name = uuid.uuid4().hex[:8]
        manager = AsyncKernelManager(
            kernel_name="ckkit",
            kernel_spec_manager=self._specs,
            transport="ipc",
            connection_file=str(self._folder / f"{name}.json"),
            context=self._context,
        )
        try:
            await manager.start_kernel(
                env={**os.environ, **(self._env or {})}, cwd=str(self._cwd) if self._cwd else None
            )
            kernel = await self._connect(manager)
        except (RuntimeError, OSError) as error:
            await _shut_down(manager)
            raise CkkitError(f"a kernel could not be started: {error}; the runner's log may say more") from None
        except BaseException:  # cancelled, most likely: the process must not stay
            await _shut_down(manager)
            raise
        self.starts += 1
        return kernel

    async def _connect(self, manager: Any) -> Kernel:
        client = manager.client()
        client.start_channels()
        client.allow_stdin = False
        kernel = Kernel(manager, client, manager.provisioner.pid)
        try:
            await client.wait_for_ready(timeout=START_LIMIT_S)
            first = await self._wipe(kernel)
            if first.left:
                raise RuntimeError(f"it has {', '.join(first.left)}")
        except BaseException:
            client.stop_channels()
            raise
        return kernel

    async def _wipe(self, kernel: Kernel) -> Wiped:
        try:
            reply = await kernel.client.execute_interactive(
                "",
                silent=True,
                store_history=False,
                user_expressions={"wiped": WIPE},
                allow_stdin=False,
                timeout=WIPE_LIMIT_S,
                output_hook=lambda message: None,
            )
            said = ast.literal_eval(reply["content"]["user_expressions"]["wiped"]["data"]["text/plain"])
            return Wiped(said["changed"], tuple(said["left"]))
        except (TimeoutError, RuntimeError, KeyError, TypeError, ValueError, SyntaxError) as error:
            return Wiped(left=(f"no answer to wiping it ({type(error).__name__})",))

    async def _end(self, kernel: Kernel) -> None:
        kernel.client.stop_channels()
        await _shut_down(kernel.manager)

    async def _close(self) -> None:
        kept, self._kept = self._kept, _Kept()
        self._want_spare = False
        if kept.spare is not None:  # waited for, a second at most: jupyter_client takes a cancellation badly
            with contextlib.suppress(CkkitError):
                self.drop(await kept.spare)
        for kernel in [*kept.busy, *([kept.warm] if kept.warm else [])]:
            self.drop(kernel)
        await asyncio.gather(*kept.leaving, *self._kept.leaving)
        rest = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        await asyncio.wait(rest, timeout=2.0) if rest else None
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


async def _shut_down(manager: Any) -> None:
    """End a kernel's process. jupyter_client may raise about its bookkeeping; what counts is that it is gone."""
    try:
        await manager.shutdown_kernel(now=True)
    except Exception as error:  # noqa: BLE001  whatever it raises about a process that is gone, or was being started
        if await manager.is_alive():
            log.error("kernel does not end", kernel=manager.provisioner.pid, why=repr(error))
