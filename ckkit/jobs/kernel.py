"""
The process of a warm kernel: an IPython kernel that dies with its runner and can be wiped between runs.

Started as `python -m ckkit.jobs.kernel -f CONNECTION_FILE`.
What it leaves out (the debugger) is a third of a bare kernel's memory, and nobody
debugs a scheduled run. `wipe` is asked by the pool through a user expression; it
lives in this module and not in the notebook's namespace, so a notebook that deletes
everything it sees does not delete the way back.
"""

import asyncio
import builtins
import ctypes
import linecache
import os
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)
OPTIONS = ("--HistoryManager.enabled=False", "--InteractiveShell.cache_size=0")
WIPE = "__import__('ckkit.jobs.kernel', fromlist=['wipe']).wipe()"
"""The expression that the pool has a kernel evaluate after each run."""

_slate: "Slate | None" = None


def main() -> None:
    """Run the kernel until it is told to stop, is killed, or its runner ends however."""
    die_with_parent()
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # an import of it fails, as if it were not installed
    from ipykernel.kernelapp import IPKernelApp

    app: Any = IPKernelApp.instance()
    app.initialize([*sys.argv[1:], *OPTIONS])
    app.start()


def die_with_parent(parent: int | None = None) -> None:
    """
    Ask the system to kill this process when the thread that started it ends, even by `kill -9`.

    `parent` is who should be there (by default what jupyter_client wrote into JPY_PARENT_PID): when it is gone
    already, this process ends at once. Where there is no prctl, ipykernel's own look at its parent remains.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None:
        return
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = parent or int(os.environ.get("JPY_PARENT_PID", "0"))
    if parent and os.getppid() != parent:
        sys.exit(1)


def wipe() -> dict[str, Any]:
    """
    Take back what a run did to this kernel.

    Returns `changed`: what the notebook's variable of that name said (True, False or None), and `left`: what
    cannot be taken back, in words (threads, tasks, child processes). A kernel with something left is dropped.
    The first call, before the first run, remembers how the kernel looks.
    """
    global _slate
    if _slate is None:
        from IPython.core.interactiveshell import InteractiveShell

        _slate = Slate(InteractiveShell.instance())
    return _slate.wipe()


class Slate:
    """How the kernel looked before the first run. Imports stay: they are what makes it warm."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._names = dict(shell.user_ns)
        self._hidden = dict(shell.user_ns_hidden)
        self._builtins = dict(vars(builtins))
        self._folder = Path.cwd()
        self._environment = dict(os.environ)
        self._path = list(sys.path)
        self._warnings = list(warnings.filters)
        self._threads = set(threading.enumerate())

    def wipe(self) -> dict[str, Any]:
        changed = self._shell.user_ns.get("changed")
        self._wipe_names()
        self._wipe_process()
        return {"changed": changed if isinstance(changed, bool) else None, "left": self._left()}

    def _wipe_names(self) -> None:
        shell = self._shell
        shell.user_ns.clear()
        shell.user_ns.update(self._names)
        shell.user_ns_hidden.clear()
        shell.user_ns_hidden.update(self._hidden)
        shell.displayhook.exec_result = None
        shell.displayhook._ = shell.displayhook.__ = shell.displayhook.___ = ""
        shell.execution_count = 1
        for name in [n for n in linecache.cache if "ipykernel_" in n]:
            del linecache.cache[name]

    def _wipe_process(self) -> None:
        for name in set(vars(builtins)) - set(self._builtins):
            delattr(builtins, name)
        vars(builtins).update(self._builtins)
        if not self._folder.samefile("."):
            os.chdir(self._folder)
        if dict(os.environ) != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        sys.path[:] = self._path
        warnings.filters[:] = self._warnings  # type: ignore[index]

    def _left(self) -> list[str]:
        new = [t for t in threading.enumerate() if t not in self._threads]
        threads = [f"thread {t.name}" for t in new if type(t).__module__.split(".")[0] not in ("zmq", "ipykernel")]
        return threads + [f"process {pid}" for pid in children()] + self._left_tasks()

    def _left_tasks(self) -> list[str]:
        """Tasks of the notebook: those whose code is not part of the kernel."""
        try:
            tasks = asyncio.all_tasks()
        except RuntimeError:
            return []
        return [f"task {t.get_name()}" for t in tasks if "ipykernel_" in _file(t)]


def children(task: Path = Path("/proc/self/task")) -> list[int]:
    """Return the pids of this process's children, of every thread (man 5 proc, `task/[tid]/children`)."""
    found: list[int] = []
    for file in task.glob("*/children"):
        try:
            found += [int(pid) for pid in file.read_text().split()]
        except OSError:  # the thread ended meanwhile
            continue
    return found


def _file(task: "asyncio.Task[Any]") -> str:
    code = getattr(task.get_coro(), "cr_code", None)
    return code.co_filename if code else ""


if __name__ == "__main__":
    main()
