"""`ckkit up` as people use it: started eight times at once, looked at, its parts killed, itself killed, stopped."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ckkit.home import Home
from ckkit.up import processes, state

CKKIT = [sys.executable, "-P", "-m", "ckkit.cli"]
UP = ["up", "--detach", "--no-lab"]
TOML = """
[hub]
port = 0
[dashboards]
port = 0
[collect]
every = "1s"
timeout = "1s"
"""


class Installation:
    """A home and a workspace of the test's own, and `ckkit` for them."""

    def __init__(self, folder: Path) -> None:
        self.env = {**os.environ, "CKKIT_HOME": str(folder / "home"), "CKKIT_WORKSPACE": str(folder / "ops")}
        self.home = Home.find(self.env)
        self.ckkit("init", str(folder / "ops"))
        (folder / "ops" / "ckkit.toml").write_text(TOML)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*CKKIT, *words], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def ckkit(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*CKKIT, *words], env=self.env, capture_output=True, text=True, timeout=120)

    def json(self, *words: str):
        return json.loads(self.ckkit(*words, "--json").stdout)

    def processes(self) -> list[int]:
        """Every process that has this home in its environment."""
        mark, found = f"CKKIT_HOME={self.home.path}\0".encode(), []
        for entry in Path("/proc").iterdir():
            try:
                mine = entry.name.isdigit() and mark in (entry / "environ").read_bytes() + b"\0"
            except OSError:
                continue
            found += [int(entry.name)] if mine else []
        return found

    def ready(self):
        up = state.running(self.home)
        return up if up and all(part.state == "ready" for part in up.parts) else None


def until(question, patience_s=60.0):
    """Wait for an answer that is not empty, and return it."""
    end = time.monotonic() + patience_s
    while not (answer := question()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return answer


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """An installation that was started by eight at once."""
    made = Installation(tmp_path_factory.mktemp("up"))
    eight = [made.start(*UP) for _ in range(8)]
    made.said = [one.communicate(timeout=120) for one in eight]
    made.codes = [one.returncode for one in eight]
    yield made
    made.ckkit("down")
    processes.kill_all(filter(None, map(processes.identify, made.processes())))


def test_eight_at_once_start_one_and_all_say_where_it_is(ours):
    assert ours.codes == [0] * 8, ours.said
    assert sum("runs already" in out for out, _ in ours.said) == 7
    urls = {re.search(r"http://127.0.0.1:\d+/voila/render/overview.ipynb\?token=\S+", out)[0] for out, _ in ours.said}
    assert len(urls) == 1
    pids = [part.who.pid for part in ours.ready().parts]
    assert sorted(pids) == sorted({*pids})


def test_status_shows_each_part_its_memory_and_its_newest_work(ours):
    until(lambda: ours.ckkit("status").returncode == 0)  # the first slot may have been judged by the hub: 1, it says so
    until(lambda: "result " in ours.ckkit("status").stdout)
    said = ours.ckkit("status")
    for word in ("up", "hub", "runner", "dashboards", "result ", "MiB", str(ours.home.path)):
        assert word in said.stdout
    tokens = ours.home.all_tokens().values()
    assert not any(token in said.stdout for token in tokens)
    assert all(token in ours.ckkit("status", "--tokens").stdout for token in tokens)
    parts = ours.json("status")["parts"]
    assert [part["name"] for part in parts] == ["up", "hub", "runner", "dashboards"]
    assert all(part["memory_bytes"] > 1 << 20 for part in parts)
    assert parts[0]["memory_bytes"] < 25 << 20


def test_logs_and_doctor_know_it(ours):
    assert "up  " in ours.ckkit("logs").stdout
    assert "part=hub" in ours.ckkit("logs", "up").stdout
    found = {one["about"]: one for one in ours.json("doctor")}
    assert found["running"]["said"].startswith(f"up is process {ours.ready().who.pid}")
    assert found["ports"]["said"].startswith("ours: hub")
    assert found["files"]["level"] == "ok"
    assert found["results"]["level"] == "ok"


@pytest.mark.parametrize("name", ["dashboards", "runner", "hub"])
def test_a_part_that_is_killed_comes_back_and_loses_nothing(ours, name):
    before = until(ours.ready)
    count = "select count(*)::integer as n, max(seq)::integer as seq from results, (select max(seq) as seq from events)"
    had = ours.json("sql", count)[0]
    os.kill(before.part(name).who.pid, signal.SIGKILL)
    after = until(lambda: (up := ours.ready()) and up.part(name).who != before.part(name).who and up)
    assert after.who == before.who
    has = ours.json("sql", count)[0]
    assert has["n"] >= had["n"]
    assert has["seq"] >= had["seq"]


def test_a_port_that_is_taken_is_told_with_its_owner(ours, tmp_path):
    other = Installation(tmp_path)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        said = other.ckkit("up", "--hub-port", str(port))
    assert said.returncode == 2
    assert f"port {port} for the hub is taken by process {os.getpid()} (" in said.stderr
    assert "`./ck up --hub-port" in said.stderr
    assert other.processes() == []


def test_a_store_that_is_no_store_is_told_and_left_as_it_is(tmp_path):
    other = Installation(tmp_path)
    other.home.store.write_bytes(b"not a database" * 1000)
    said = other.ckkit(*UP, "--no-dashboards")
    assert said.returncode == 2
    assert "the hub does not start: it ended 3 times before it ever answered" in said.stderr
    assert str(other.home.store) in said.stderr
    assert other.home.store.read_bytes() == b"not a database" * 1000
    assert other.processes() == []
    status = other.ckkit("status")
    assert (status.returncode, status.stdout.splitlines()[0]) == (1, "ckkit does not run: `./ck up` starts it")


def test_killed_itself_its_parts_end_and_the_next_up_has_it_all(ours):
    before = until(ours.ready)
    had = ours.json("sql", "select count(*)::integer as n from results")[0]["n"]
    os.kill(before.who.pid, signal.SIGKILL)
    again = ours.ckkit(*UP)
    assert again.returncode == 0, again.stderr
    after = until(ours.ready)
    assert after.who != before.who
    assert not any(processes.lives(part.who) for part in before.parts)
    assert ours.json("sql", "select count(*)::integer as n from results")[0]["n"] >= had


def test_down_stops_everything_and_leaves_no_process(ours):
    until(ours.ready)
    said = ours.ckkit("down")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("stopped hub, runner and dashboards in ")
    assert ours.processes() == []
    assert sorted(path.name for path in ours.home.run.glob("*.json")) == ["plan.json"]
    assert ours.ckkit("down").stdout == "ckkit does not run\n"
    assert ours.ckkit("nodes").returncode == 2


def test_in_the_foreground_ctrl_c_ends_it_all(ours):
    with ours.start("up", "--no-lab", "--no-dashboards") as running:
        until(ours.ready)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, "")
    assert "everything is up after" in out
    assert out.rstrip().endswith("stopping …")
    assert ours.processes() == []
