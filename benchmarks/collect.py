"""
How punctual the collector is: 2,000 HTTP checks every 10 s, of which 200 never answer, on one core.

    python benchmarks/collect.py [--seconds 60] [--checks 2000] [--hanging 200]

The server has a core of its own, where there are two. Aim: at least 99 % start within 1 s of their slot.
"""

import argparse
import asyncio
import multiprocessing
import os
import resource
import socket
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from ckkit.collect.runner import Collector
from ckkit.model import Check, Node, Result

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


class Answering(asyncio.Protocol):
    """The shortest HTTP server: its answer costs little, so that the collector is what is measured."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER)  # type: ignore[attr-defined]


def serve(listening: socket.socket, core: int) -> None:
    pin(core)

    async def main() -> None:
        await (await asyncio.get_running_loop().create_server(Answering, sock=listening)).serve_forever()

    asyncio.run(main())


def pin(core: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


class Quiet:
    def raise_(self, key: str, level: str, text: str) -> None:
        print(f"notice {level} {key}: {text}")

    def clear(self, key: str) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--checks", type=int, default=2000)
    parser.add_argument("--hanging", type=int, default=200)
    ask = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    answering = socket.create_server(("127.0.0.1", 0), backlog=4096)
    hanging = socket.create_server(("127.0.0.1", 0), backlog=4096)  # never accepted: connected, then silent
    server = multiprocessing.Process(target=serve, args=(answering, 1), daemon=True)
    server.start()
    pin(0)

    results: list[Result] = []

    def sink(batch: Sequence[Result], sequence: int) -> None:
        results.extend(batch)

    node = Node(name="bench", private_addresses=("127.0.0.1",))
    checks = [
        Check(
            node=node.name,
            type="http",
            instance=str(n),
            check_id=n,
            every=timedelta(seconds=10),
            timeout=timedelta(seconds=8),
            params={"url": f"http://127.0.0.1:{(hanging if n < ask.hanging else answering).getsockname()[1]}/{n}"},
        )
        for n in range(ask.checks)
    ]
    collector = Collector(sink, Quiet())
    collector.set_checks(checks, [node])
    cpu = time.process_time()
    collector.start()
    time.sleep(ask.seconds)
    cpu = time.process_time() - cpu
    counted = collector.counters()
    collector.stop()
    server.terminate()
    report(ask, results, counted, cpu)


def report(ask: argparse.Namespace, results: list[Result], counted: dict[str, float], cpu: float) -> None:
    slots = counted["started"] + counted["skipped"]
    within = (counted["started"] - counted["late"]) / slots
    print(f"{ask.checks} HTTP checks every 10 s, {ask.hanging} of them hang; {ask.seconds:.0f} s, one core")
    print(f"slots: {slots:.0f}, started within 1 s: {within:.2%}, skipped: {counted['skipped']:.0f}")
    print(
        f"lag: mean {counted['lag_seconds'] / counted['started'] * 1000:.1f} ms, max {counted['lag_max_seconds']:.3f} s"
    )
    print(f"cpu: {cpu / ask.seconds:.1%} of one core, {cpu / counted['started'] * 1000:.2f} ms a check")
    print(f"results: {len(results)} {dict(Counter(str(r.state) for r in results))}")
    print(f"a time-out says: {next((r.status for r in results if r.check_id < ask.hanging), 'none yet')}")
    took = sorted(r.values["duration_seconds"] for r in results if "duration_seconds" in r.values)
    if took:
        print(
            f"duration of those that answer: median {took[len(took) // 2] * 1000:.1f} ms, "
            f"p99 {took[int(len(took) * 0.99)] * 1000:.1f} ms"
        )
    doubled = [key for key, n in Counter((r.check_id, r.ts) for r in results).items() if n > 1]
    print(f"slots with two results: {len(doubled)}")


if __name__ == "__main__":
    main()
