"""
A load generator: a fleet of nodes with passive checks, and their results, from a seed.

    python -m benchmarks.load workspace DIR --nodes 1000          write a workspace with such a fleet
    python -m benchmarks.load push --ticks 60 --every 10          push live ticks to the running hub
    python -m benchmarks.load push --history 3h                   push a history, oldest first, as fast as it goes

Values walk at random between 0 and 100 in steps of one decimal, as measured percentages do.
"""

import argparse
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ckkit.config import Home, duration
from ckkit.wire import HttpWire

TYPES = ("cpu", "memory", "disk", "network", "load", "web", "db", "queue")
RATIOS = {"cpu": "busy_ratio", "memory": "used_ratio", "disk": "used_ratio"}
TAGS = ("web", "db", "cache", "queue", "worker")


def workspace(folder: Path, *, nodes: int, checks: int = 5, every: str = "10s", monitors: int = 0) -> None:
    """Write a workspace whose nodes `n0000 …` have `checks` passive checks each, and `monitors` monitors over all."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["[this_machine]", "enabled = false", ""]
    for i in range(nodes):
        tags = f'["{TAGS[i % len(TAGS)]}", "fleet"]'
        lines += ["[[nodes]]", f'name = "n{i:04}"', f'address = "127.1.{i >> 8}.{i & 255}"', f"tags = {tags}", ""]
    for kind in TYPES[:checks]:
        lines += ["[[checks]]", 'nodes = "tag:fleet"', f'type = "{kind}"', "passive = true", f'every = "{every}"', ""]
    (folder / "ckkit.toml").write_text("\n".join(lines))
    (folder / "monitors").mkdir(exist_ok=True)
    for i in range(monitors):
        kind = TYPES[i % min(checks, 3)]
        text = f'[m{i:03}]\nnodes = "tag:fleet"\ncheck = "{kind}"\nwarn = "{RATIOS[kind]} > {0.9 + i / 1000:.3f}"\n'
        (folder / "monitors" / f"m{i:03}.toml").write_text(text)
    for name in ("scheduled", "notebooks", "voila_apps"):
        source = Path(__file__).parents[1] / name
        if not (folder / name).exists():
            (folder / name).symlink_to(source)


class Fleet:
    """The registered passive checks of a hub, and the state of their random walks."""

    def __init__(self, wire: HttpWire, *, metrics: int = 10, seed: int = 1) -> None:
        rows = wire.read(
            "select c.type, c.check_id from checks c where c.valid_to is null and c.type in (select unnest($types)) "
            "order by c.check_id",
            {"types": list(TYPES)},
        )
        self.random = np.random.default_rng(seed)
        kinds = np.array(rows["type"].to_pylist(), dtype=object)
        ids = rows["check_id"].to_numpy()
        self.ids = {kind: ids[kinds == kind] for kind in dict.fromkeys(kinds)}
        self.values = {kind: self.random.uniform(0, 90, (len(i), metrics)).round(1) for kind, i in self.ids.items()}

    def tick(self, at: datetime) -> Iterator[pa.Table]:
        """Yield one table a check type with the results of `at`."""
        for kind, ids in self.ids.items():
            now = self.values[kind]
            moved = now + self.random.standard_normal(now.shape) * 0.5
            self.values[kind] = now = np.clip(moved, 0, 100).round(1)
            first = RATIOS.get(kind)
            columns: dict[str, Any] = {
                "ts": pa.array(np.full(len(ids), int(at.timestamp() * 1000)), pa.timestamp("ms")),
                "check_id": pa.array(ids, pa.uint32()),
                "state": pa.array(np.zeros(len(ids)), pa.uint8()),
                "took": pa.array(np.full(len(ids), 0.01), pa.float32()),
                "status": pa.array(["generated"] * len(ids)),
            }
            for m in range(now.shape[1]):
                columns[first if m == 0 and first else f"m{m}"] = now[:, m] / 100 if m == 0 and first else now[:, m]
            yield pa.table(columns).replace_schema_metadata({"type": kind})


def push(wire: HttpWire, fleet: Fleet, times: Iterator[datetime]) -> int:
    """Append the results of each time; return how many samples were acknowledged."""
    samples, sequence, boot = 0, 0, f"{os.getpid()}-{time.time_ns()}"
    for at in times:
        for table in fleet.tick(at):
            sequence += 1
            receipt = wire.append("results", table, source="load", boot=boot, sequence=sequence)
            samples += receipt.rows * (table.num_columns - 5)
    return samples


def live(every: float, ticks: int) -> Iterator[datetime]:
    """Yield each slot when it has come."""
    slot = (time.time() // every + 1) * every
    for _ in range(ticks):
        time.sleep(max(0.0, slot - time.time()))
        yield datetime.fromtimestamp(slot, UTC)
        slot += every


def past(span: timedelta, every: float) -> Iterator[datetime]:
    """Yield the slots of the last `span`, oldest first."""
    end = time.time() // every * every
    for k in range(int(span.total_seconds() / every), 0, -1):
        yield datetime.fromtimestamp(end - k * every, UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    make = verbs.add_parser("workspace")
    make.add_argument("folder", type=Path)
    make.add_argument("--nodes", type=int, default=1000)
    make.add_argument("--checks", type=int, default=5)
    make.add_argument("--monitors", type=int, default=0)
    send = verbs.add_parser("push")
    send.add_argument("--metrics", type=int, default=10)
    send.add_argument("--every", type=float, default=10.0)
    send.add_argument("--ticks", type=int, default=6)
    send.add_argument("--history", default="")
    send.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.verb == "workspace":
        workspace(asked.folder, nodes=asked.nodes, checks=asked.checks, monitors=asked.monitors)
        print(f"{asked.folder}: {asked.nodes} nodes x {asked.checks} checks, {asked.monitors} monitors")
        return
    wire = HttpWire.connect(Home.find())
    fleet = Fleet(wire, metrics=asked.metrics, seed=asked.seed)
    started = time.perf_counter()
    times = past(duration(asked.history), asked.every) if asked.history else live(asked.every, asked.ticks)
    samples = push(wire, fleet, times)
    took = time.perf_counter() - started
    print(f"{samples:,} samples acknowledged in {took:.1f} s: {samples / took:,.0f} samples/s")


if __name__ == "__main__":
    main()
