"""
How many results come in through the wire: ticks of 1,000 checks x 10 metrics, each acknowledged after its commit.

    python -m benchmarks.ingest                        1, 2 and 4 client threads, 300 ticks each
    python -m benchmarks.ingest --ticks 1000 --threads 4

The hub is a process of its own on a home of its own. Also told: the median of `select 1` and of a small command.
"""

import argparse
import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from benchmarks.load import Fleet, workspace
from benchmarks.running import pss
from ckkit.config import Home
from ckkit.wire import HttpWire

START = datetime(2026, 1, 1, tzinfo=UTC)
OWN_COLUMNS = 5  # of a result: ts, check_id, state, took, status


@contextlib.contextmanager
def hub(checks: int) -> Iterator[tuple[Home, int]]:
    """Start a hub whose inventory is `checks` passive checks, one a node; gives its home and pid."""
    with tempfile.TemporaryDirectory(prefix="ckkit-bench-") as folder:
        used, home = Path(folder) / "workspace", Home(Path(folder) / "home")
        workspace(used, nodes=checks, checks=1)
        env = {**os.environ, "CKKIT_HOME": str(home.path), "CKKIT_WORKSPACE": str(used)}
        command = [sys.executable, "-m", "ckkit.hub", "--port", "0"]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            while home.part("hub") is None:
                if process.poll() is not None:
                    raise SystemExit((Path(folder) / "log").read_text())
                time.sleep(0.05)
            yield home, process.pid
        finally:
            process.terminate()
            process.wait(30)


def push(wire: HttpWire, name: str, tables: list[pa.Table], took: list[float]) -> None:
    """Append the tables, one after the other, and note how long each took to be acknowledged."""
    for sequence, table in enumerate(tables, 1):
        began = time.perf_counter()
        receipt = wire.append("results", table, source=name, boot="bench", sequence=sequence)
        took.append(time.perf_counter() - began)
        assert receipt.new and receipt.rows == table.num_rows


def run(home: Home, tables: list[pa.Table], threads: int, name: str) -> tuple[float, list[float]]:
    """Push from several threads at once; return the seconds in all, and those of each append."""
    took: list[float] = []
    with contextlib.closing(HttpWire.connect(home)) as wire, ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        work = [pool.submit(push, wire, f"{name}-{n}", tables[n::threads], took) for n in range(threads)]
        for done in work:
            done.result()
        return time.perf_counter() - began, took


def median_ms(wire: HttpWire, ask: str, times: int = 500) -> float:
    """The median of a call, in milliseconds: a SELECT, or the name of a command."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        wire.read(ask) if " " in ask else wire.command(ask)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticks", type=int, default=300, help="appends of one tick each, in a run")
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--metrics", type=int, default=10)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2, 4])
    asked = parser.parse_args()
    with hub(asked.checks) as (home, pid), contextlib.closing(HttpWire.connect(home)) as wire:
        import psutil

        process = psutil.Process(pid)
        fleet, times = Fleet(wire, metrics=asked.metrics), itertools.count()
        print(
            "| client threads | ticks | samples | seconds | samples/s | append p50 ms | p99 ms | hub CPU s | PSS MB |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for number, threads in enumerate(asked.threads):
            tables = [
                table for _ in range(asked.ticks) for table in fleet.tick(START + timedelta(seconds=10 * next(times)))
            ]
            samples = sum(table.num_rows * (table.num_columns - OWN_COLUMNS) for table in tables)
            cpu = sum(process.cpu_times()[:2])
            seconds, took = run(home, tables, threads, f"run{number}")
            cpu = sum(process.cpu_times()[:2]) - cpu
            p50, p99 = (sorted(took)[int(len(took) * q)] * 1000 for q in (0.5, 0.99))
            print(
                f"| {threads} | {asked.ticks} | {samples:,} | {seconds:.2f} | {samples / seconds:,.0f} | {p50:.1f} | "
                f"{p99:.1f} | {cpu:.2f} | {pss(process) / 1e6:.0f} |"
            )
        stored = wire.read("select count(*) as n from results")["n"][0].as_py()
        print(f"\n{stored:,} rows stored; select 1: {median_ms(wire, 'select 1'):.2f} ms, ", end="")
        print(f"a command: {median_ms(wire, 'notices.list'):.2f} ms (medians)")


if __name__ == "__main__":
    main()
