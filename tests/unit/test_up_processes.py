"""Processes by number and start; what /proc says of them."""

import os
import signal
import subprocess
import sys

import pytest

from ckkit.up import processes
from ckkit.up.processes import Identity


@pytest.fixture
def sleeper():
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait()


def test_a_number_that_was_given_again_is_another_process(sleeper):
    who = processes.identify(sleeper.pid)
    assert processes.lives(who)
    assert not processes.lives(Identity(who.pid, who.created - 1))
    assert not processes.send(Identity(who.pid, who.created - 1), signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_zombie_does_not_live(sleeper):
    who = processes.identify(sleeper.pid)
    assert processes.send(who, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken its code
    assert processes.stat_of(sleeper.pid).state == "Z"
    assert not processes.lives(who)


def test_descendants_are_found_through_sessions(tmp_path):
    script = (
        "import subprocess as s; s.Popen(['sleep', '60'], start_new_session=True); print(flush=True); s.time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        found = processes.descendants(child.pid)
        assert len(found) == 1
        processes.kill_all(found)
        child.kill()


def test_what_does_not_exist_is_nothing(tmp_path):
    assert processes.stat_of(1, tmp_path) is None
    assert processes.pss_bytes(1, tmp_path) == 0
    assert processes.descendants(1, tmp_path) == []


def test_memory_and_time_of_a_process(sleeper):
    assert 0 < processes.pss_bytes(sleeper.pid) < 100 << 20
    assert 0 <= processes.uptime_s(processes.identify(sleeper.pid)) < 60


def test_a_child_may_be_asked_to_end_though_its_parent_waits_for_signals(tmp_path):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        child = processes.start(["sleep", "60"], cwd=tmp_path, env=dict(os.environ), log=tmp_path / "log")
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    child.terminate()
    assert child.wait(5) == -signal.SIGTERM
