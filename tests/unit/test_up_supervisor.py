"""The supervisor with real processes that are small: what it starts, restarts, ends, and what it says meanwhile."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ckkit.home import Home
from ckkit.up import ports, processes, state
from ckkit.up.plan import Part, Plan

PYTHON = (sys.executable, "-S", "-P", "-c")
SERVE = (
    "import http.server, sys\n"
    "class H(http.server.SimpleHTTPRequestHandler):\n"
    "    def do_GET(self): self.send_response(200); self.end_headers()\n"
    "    def log_message(self, *a): pass\n"
    "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()"
)
STUBBORN = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVE
PARENT = "import subprocess, sys\nsubprocess.Popen(['sleep', '60'], start_new_session=True)\n" + SERVE


@pytest.fixture
def home(tmp_path):
    return Home.find({"CKKIT_HOME": str(tmp_path / "home")})


def part(name, script=SERVE, **more):
    port = ports.any_free()
    url = f"http://127.0.0.1:{port}"
    return Part(name=name, argv=(*PYTHON, script, str(port)), probe=f"{url}/", port=port, url=url, **more)


@pytest.fixture
def start(home, tmp_path):
    """Start a supervisor of the parts; it and they are gone after the test."""
    begun = []

    def begin(*parts):
        plan = Plan(home=str(home.path), workspace=str(tmp_path), version="1", code=state.code(), parts=parts)
        plan.save(home.run / "plan.json")
        log = (tmp_path / "said").open("wb")
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "ckkit.up", str(home.run / "plan.json")], stdout=log, stderr=log
        )
        log.close()
        begun.append(child)
        return child

    yield begin
    for child in begun:
        left = processes.descendants(child.pid)
        child.kill()
        child.wait()
        processes.kill_all(left)


def until(question, patience_s=15.0):
    """Wait for an answer that is not empty, and return it."""
    end = time.monotonic() + patience_s
    while not (answer := question()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return answer


def ready(home):
    up = state.running(home)
    return up if up and up.state == "ready" and all(p.state == "ready" for p in up.parts) else None


def test_parts_start_in_order_and_are_said_to_be_ready(home, start, tmp_path):
    start(part("hub", essential=True), part("runner", after=("hub",)))
    up = until(lambda: ready(home))
    hub, runner = (p.who for p in up.parts)
    assert hub.created <= runner.created
    said = (tmp_path / "said").read_text()
    assert "hub         ready in" in said
    assert "everything is up after" in said


def test_a_part_that_is_killed_comes_back_as_another_process(home, start, tmp_path):
    start(part("hub", essential=True), part("runner"))
    before = until(lambda: ready(home)).part("runner").who
    os.kill(before.pid, signal.SIGKILL)
    after = until(lambda: (up := ready(home)) and up.part("runner").who != before and up.part("runner"))
    assert after.deaths == 1
    assert not processes.lives(before)
    assert "was killed by signal 9 (SIGKILL); starts again after 0.5 s" in (tmp_path / "said").read_text()


def test_asked_to_end_it_ends_all_in_reverse_and_leaves_nothing(home, start):
    child = start(part("hub", PARENT, essential=True), part("runner", PARENT, after=("hub",)))
    up = until(lambda: ready(home))
    family = processes.descendants(child.pid)
    assert len(family) == 4  # the parts, and what each of them started in a session of its own
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 0
    assert [who for who in family if processes.lives(who)] == []
    assert state.read(home) is None
    assert up.part("hub").who.pid not in [p.pid for p in family if processes.lives(p)]


def test_a_part_that_does_not_end_is_killed_when_asked_twice(home, start):
    child = start(part("hub", STUBBORN, essential=True))
    hub = until(lambda: ready(home)).part("hub").who
    child.send_signal(signal.SIGTERM)
    until(lambda: state.read(home).state == "stopping")
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 0
    assert not processes.lives(hub)


def test_parts_die_with_a_supervisor_that_is_killed(home, start):
    child = start(part("hub", essential=True), part("runner"))
    parts = [p.who for p in until(lambda: ready(home)).parts]
    child.kill()
    child.wait()
    until(lambda: not any(processes.lives(who) for who in parts))
    assert state.running(home) is None
    assert state.read(home) is not None  # its last words stay, so that what is left of it can be found


def test_a_hub_that_never_starts_is_given_up_with_its_last_words(home, start, tmp_path):
    child = start(part("hub", "import sys\nsys.exit('the store is truncated')", essential=True), part("lab"))
    assert child.wait(15) == 2
    said = (tmp_path / "said").read_text()
    assert "the hub does not start: it ended 3 times before it ever answered" in said
    assert "the store is truncated" in said
    assert state.read(home).state == "failed"


def test_another_part_that_never_starts_does_not_stop_the_rest(home, start):
    start(part("hub", essential=True), part("runner", "import sys\nsys.exit(3)"))
    up = until(lambda: (up := state.running(home)) and up.part("runner").deaths >= 3 and up)
    assert up.part("hub").state == "ready"
    assert up.state == "starting"
    assert up.part("runner").reason == "ended with code 3; starts again after 2 s"


def test_a_part_of_which_no_program_exists_is_said(home, start):
    missing = Part(name="runner", argv=("/no/such/program",), probe="announced:runner")
    start(part("hub", essential=True), missing)
    up = until(lambda: (up := state.running(home)) and up.part("runner").deaths and up)
    assert "cannot be started" in up.part("runner").reason


def test_where_a_killed_part_answered_is_taken_back(home, start):
    start(part("hub", essential=True), part("runner"))
    runner = until(lambda: ready(home)).part("runner").who
    home.announce("runner", pid=runner.pid)
    os.kill(runner.pid, signal.SIGKILL)
    until(lambda: home.part("runner") is None)


def test_the_supervisor_is_thin(home, start):
    child = start(part("hub", essential=True))
    until(lambda: ready(home))
    assert processes.pss_bytes(child.pid) < 25 << 20
    maps = Path(f"/proc/{child.pid}/maps").read_text()
    assert not [name for name in ("msgspec", "psutil", "duckdb", "pyarrow") if name in maps]


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(home, tmp_path, monkeypatch, start):
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(15)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        child = start(part("hub", essential=True))
        assert systemd.recv(64) == b"READY=1"
        child.terminate()
        assert systemd.recv(64) == b"STOPPING=1"
