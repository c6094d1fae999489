"""What tests of several kinds use: programs of the system, hubs of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ckkit.config import Home, Workspace
from ckkit.wire import HttpWire

HUB_TOML = """
[hub]
port = 0

[this_machine]
enabled = false

[[nodes]]
name = "web0"
tags = ["web", "prod"]
address = "127.0.0.1"

[[nodes]]
name = "db0"
tags = ["db"]
address = "127.0.0.1"

[[checks]]
nodes = "*"
type = "cpu"
passive = true

[[checks]]
node = "web0"
type = "http"
instance = "home"
passive = true
"""
START_S = 60.0

# A shell starts what it puts into the background with Ctrl-C ignored, and the programs that tests start inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def needs() -> Callable[[str], Path]:
    """Return the path of a program; where it is missing, skip, and fail with CKKIT_TOOLS=required."""

    def find(tool: str) -> Path:
        found = shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/usr/lib/nagios/plugins")
        if found is None:
            why = f"{tool} is not installed"
            (pytest.fail if os.environ.get("CKKIT_TOOLS") == "required" else pytest.skip)(why)
        return Path(found)

    return find


@dataclass
class RunningHub:
    """A hub as a process, on a home and a workspace of its own. `home, wire = hub` gives what most tests need."""

    folder: Path
    toml: str = HUB_TOML
    env: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None
    wires: list[HttpWire] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.workspace = Workspace(self.folder / "workspace")
        self.workspace.monitors.mkdir(parents=True, exist_ok=True)
        self.workspace.scheduled.mkdir(exist_ok=True)
        self.workspace.toml.write_text(self.toml)
        self.runtime = Path(tempfile.mkdtemp(prefix="ck"))  # a short path, for the socket
        self.env = {
            **os.environ,
            "CKKIT_HOME": str(self.folder / "home"),
            "CKKIT_WORKSPACE": str(self.workspace.path),
            "XDG_RUNTIME_DIR": str(self.runtime),
            **self.env,
        }
        self.home = Home(Path(self.env["CKKIT_HOME"]))

    def __iter__(self) -> Iterator[object]:
        return iter((self.home, self.wire))

    def spawn(self) -> "subprocess.Popen[bytes]":
        """Start the process and do not wait."""
        self.folder.joinpath("hub.log").touch()
        with self.folder.joinpath("hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ckkit.hub", *self.arguments], env=self.env, stdout=log, stderr=log
            )
        return self.process

    def start(self) -> "RunningHub":
        """Start it and wait until it answers."""
        process = self.spawn()
        end = time.monotonic() + START_S
        while (facts := self.home.part("hub")) is None or facts["pid"] != process.pid:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the hub did not start: {self.log()}")
            time.sleep(0.02)
        return self

    @property
    def wire(self) -> HttpWire:
        """A wire to it, as its own user."""
        if not self.wires:
            self.connect()
        return self.wires[0]

    def connect(self) -> HttpWire:
        """Return one more wire."""
        wire = HttpWire.connect(self.home)
        self.wires.append(wire)
        return wire

    @property
    def url(self) -> str:
        return str((self.home.part("hub") or {})["url"])

    def log(self) -> str:
        return self.folder.joinpath("hub.log").read_text()

    def errors(self) -> list[str]:
        """What it logged as an error."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [json.dumps(line) for line in lines if line.get("level") in ("error", "critical")]

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """End it as `ckkit down` does, and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the hub did not end: {self.log()}") from None

    def close(self) -> None:
        for wire in self.wires:
            wire.close()
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
        finally:
            shutil.rmtree(self.runtime, ignore_errors=True)


StartHub = Callable[..., RunningHub]


@pytest.fixture
def start_hub(tmp_path: Path) -> Iterator[StartHub]:
    """
    Start hubs: `start_hub(toml="…", env={…}, arguments=(…))`; each has a folder of its own unless `folder` is given.

    With `wait=False` the process is not started: `spawn` it, or `start` it.
    """
    made: list[RunningHub] = []

    def start(*, wait: bool = True, folder: Path | None = None, **how: object) -> RunningHub:
        hub = RunningHub(folder or tmp_path / f"hub{len(made)}", **how)  # type: ignore[arg-type]  as the tests give it
        made.append(hub)
        return hub.start() if wait else hub

    yield start
    for hub in made:
        hub.close()


@pytest.fixture(scope="session")
def hub_kind() -> type[RunningHub]:
    """What a hub of a test is made of, for fixtures that keep one for a module: `start` it and `close` it."""
    return RunningHub


@pytest.fixture
def hub(start_hub: StartHub) -> RunningHub:
    """A hub of this test alone, with the nodes web0 and db0 and passive checks."""
    return start_hub()


@pytest.fixture(scope="session")
def session_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub for tests that only read, or do not mind the others; started once."""
    running = RunningHub(tmp_path_factory.mktemp("session") / "hub")
    try:
        yield running.start()
    finally:
        running.close()
