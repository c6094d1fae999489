"""The process table, of the machine that runs the tests."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ckkit.collect.processtable import ProcessTable, select
from ckkit.model import Process


@pytest.fixture
def busy() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass  # a-busy-one"])
    yield process.pid
    process.kill()
    process.wait()


def test_a_busy_process_is_seen_with_what_it_uses(busy: int) -> None:
    table = ProcessTable()
    table.look()
    time.sleep(0.7)
    (one,) = [p for p in select(table.look(), search="A-BUSY-ONE") if p.pid == busy]
    assert 0.1 < one.cpu_ratio < 1.2
    assert one.name.startswith("python")
    assert abs((datetime.now(UTC) - one.started).total_seconds()) < 30
    assert one.memory_bytes > 1_000_000 and 0 < one.memory_ratio < 1


def test_the_first_look_has_ratios_too(busy: int) -> None:
    (one,) = [p for p in ProcessTable().look() if p.pid == busy]
    assert one.cpu_ratio > 0.1


def test_two_who_look_at_once_see_the_same(busy: int) -> None:
    table = ProcessTable()
    assert table.look() is table.look()
    time.sleep(0.7)
    (later,) = [p for p in table.look() if p.pid == busy]
    assert later.cpu_ratio > 0.1


def process(pid: int, cpu: float, memory: int, name: str = "x", user: str = "root") -> Process:
    return Process(
        pid=pid,
        name=name,
        user=user,
        cpu_ratio=cpu,
        memory_ratio=0.0,
        memory_bytes=memory,
        started=datetime(2026, 1, 1, tzinfo=UTC),
        command=f"/usr/bin/{name} --flag",
    )


TABLE = [process(1, 0.1, 30), process(2, 0.9, 10, "nginx", "www"), process(3, 0.1, 20, "Postgres", "pg")]


@pytest.mark.parametrize(
    ("ask", "pids"),
    [
        ({}, [2, 1, 3]),  # by processor; of equal ones the lower pid
        ({"sort": "memory"}, [1, 3, 2]),
        ({"search": "POST"}, [3]),  # letters' case does not matter
        ({"search": "bin/ng"}, [2]),  # in the command too
        ({"user": "www"}, [2]),
        ({"user": "ww"}, []),  # a user's whole name
        ({"limit": 1}, [2]),
    ],
)
def test_select(ask: dict[str, object], pids: list[int]) -> None:
    assert [p.pid for p in select(TABLE, **ask)] == pids  # type: ignore[arg-type]


def test_this_process_is_among_them() -> None:
    assert os.getpid() in {p.pid for p in ProcessTable().look()}
