"""
What an idle `./ck up` with one node weighs: memory (PSS) and processor, a row a process.

    python -m benchmarks.idle --settle 60 --seconds 60
"""

import argparse
import time

from benchmarks.running import ckkit_up, cpu_seconds, label, pss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settle", type=float, default=60, help="seconds before the measurement")
    parser.add_argument("--seconds", type=float, default=60)
    asked = parser.parse_args()
    with ckkit_up() as running:
        time.sleep(asked.settle)
        before = {p.pid: cpu_seconds(p) for p in running.processes()}
        started = time.monotonic()
        time.sleep(asked.seconds)
        took = time.monotonic() - started
        rows = [(label(p), pss(p), (cpu_seconds(p) - before.get(p.pid, 0.0)) / took) for p in running.processes()]
    print(f"{'process':32} {'PSS MB':>8} {'% of a core':>12}")
    for name, memory, cpu in sorted(rows, key=lambda row: -row[1]):
        print(f"{name:32} {memory / 1e6:8.0f} {cpu * 100:12.1f}")
    print(f"{'in all':32} {sum(r[1] for r in rows) / 1e6:8.0f} {sum(r[2] for r in rows) * 100:12.1f}")


if __name__ == "__main__":
    main()
