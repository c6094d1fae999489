"""A ckkit of its own for a benchmark: home, ports and processes, and what they weigh."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from ckkit.config import Home

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Running:
    """A started ckkit: its home and the pid of its supervisor."""

    home: Home
    workspace: Path
    pid: int

    def processes(self) -> list[psutil.Process]:
        """Return the supervisor and everything below it."""
        top = psutil.Process(self.pid)
        return [top, *top.children(recursive=True)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def ckkit_up(workspace: Path | None = None, *options: str) -> Iterator[Running]:
    """Start `ckkit up --detach` on a home of its own, with a copy of the project's workspace unless one is given."""
    with tempfile.TemporaryDirectory(prefix="ckkit-bench-") as folder:
        home = Path(folder) / "home"
        used = workspace or copy_of_the_workspace(Path(folder) / "workspace")
        env = {**os.environ, "CKKIT_HOME": str(home), "CKKIT_WORKSPACE": str(used)}
        ports = [f"--{part}-port={free_port()}" for part in ("hub", "dashboards", "lab")]
        command = [sys.executable, "-m", "ckkit.cli"]
        subprocess.run([*command, "up", "--detach", *ports, *options], env=env, check=True, cwd=used)
        os.environ.update(CKKIT_HOME=str(home), CKKIT_WORKSPACE=str(used))
        found = Home(home).part("up")
        assert found is not None
        try:
            yield Running(Home(home), used, int(found["pid"]))
        finally:
            subprocess.run([*command, "down"], env=env, check=False, cwd=used)


def copy_of_the_workspace(folder: Path) -> Path:
    """Copy the project's own workspace, so that nothing a benchmark does lands in git."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "ckkit.toml", folder)
    for name in ("monitors", "scheduled", "notebooks", "voila_apps"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def pss(process: psutil.Process) -> int:
    """Return the proportional set size in bytes (see proc(5), smaps_rollup); 0 where it is gone."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def label(process: psutil.Process) -> str:
    """Return a short name for what a process is: the module it runs."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return "gone"
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return Path(words[1] if len(words) > 1 else words[0]).name if words else process.name()
