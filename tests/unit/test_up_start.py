"""`up` and `down` beside what runs already, or ran: with a supervisor of small processes."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from ckkit.errors import CkkitError, ConfigError
from ckkit.home import Home
from ckkit.up import ports, processes, start, state
from ckkit.up.plan import Options, Part, Plan
from ckkit.up.processes import Identity

SERVE = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CKKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CKKIT_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    return Home.find()


@pytest.fixture
def running(home, tmp_path):
    """A supervisor that holds the lock, with code of another day."""
    port = ports.any_free()
    url = f"http://127.0.0.1:{port}"
    argv = (sys.executable, "-S", "-P", "-c", SERVE, str(port))
    hub = Part(name="hub", argv=argv, probe=f"{url}/", port=port, url=url, essential=True)
    plan = Plan(home=str(home.path), workspace=str(tmp_path), version="1", code="another day", parts=(hub,))
    plan.save(home.run / "plan.json")
    lock = start.acquire(home)
    command = [sys.executable, "-P", "-m", "ckkit.up", str(home.run / "plan.json")]
    child = subprocess.Popen(command, pass_fds=[lock], stdout=subprocess.DEVNULL)
    os.close(lock)
    yield child
    left = processes.descendants(child.pid)
    child.kill()
    child.wait()
    processes.kill_all(left)


def test_up_beside_one_that_runs_says_where_it_is_and_that_it_is_older(running, capsys):
    assert start.up(Options()) == 0
    said = capsys.readouterr().out
    assert f"ckkit runs already: process {running.pid}, since " in said
    assert "hub         ready in" in said
    assert "it runs with older code than this: `./ck down && ./ck up` takes the new" in said
    assert running.poll() is None


def test_down_waits_until_it_has_ended(running, home):
    said = []
    assert start.down(said.append) == 0  # also of one that has only just been started
    assert running.wait(1) == 0
    assert len(said) == 1
    assert said[0].startswith("stopped hub in ")
    assert start.acquire(home) is not None


def test_the_lock_ends_with_the_supervisor_however_it_ends(running, home):
    assert start.acquire(home) is None
    running.kill()
    running.wait()
    end = time.monotonic() + 5
    while (lock := start.acquire(home)) is None and time.monotonic() < end:
        time.sleep(0.02)
    assert lock is not None
    os.close(lock)


def test_parts_do_not_hold_the_lock(running, home, capsys):
    """Or a part that outlives its supervisor would keep the next from starting."""
    start.up(Options())
    (hub,) = processes.descendants(running.pid)
    held = [os.readlink(f"/proc/{hub.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{hub.pid}/fd")]
    assert not [path for path in held if path.endswith("up.lock")]


def test_what_a_dead_supervisor_left_is_ended(home, capsys):
    left = subprocess.Popen(["sleep", "60"])
    part = state.PartState(name="hub", title="hub", who=processes.identify(left.pid))
    stranger = state.PartState(name="runner", title="runner", who=Identity(os.getpid(), 1))  # a number given again
    dead = subprocess.Popen(["true"])
    who = processes.identify(dead.pid)
    dead.wait()
    up = state.UpState(
        who=who, state="ready", started=datetime.now(UTC), version="1", code="", workspace="/", parts=(part, stranger)
    )
    state.announce(home, up)
    assert start.end_leftovers(home) == [left.pid]
    assert left.wait(5) != 0


def test_without_a_workspace_nothing_is_started_and_the_lock_is_free(home):
    with pytest.raises(ConfigError, match="ckkit init DIR"):
        start.up(Options())
    lock = start.acquire(home)
    assert lock is not None
    os.close(lock)


def test_a_supervisor_that_ends_at_once_is_said(home, tmp_path, monkeypatch):
    (home.run / "plan.json").write_text("{")
    lock = start.acquire(home)
    with pytest.raises(CkkitError, match="ended as soon as it was started; its log: `ckkit logs up`"):
        start._detach(home, home.run / "plan.json", lock)
