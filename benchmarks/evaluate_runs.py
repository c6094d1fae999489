"""
How long a run of evaluate_monitors takes on a warm kernel, with results coming in: papermill, notebook, hub and all.

    python -m benchmarks.evaluate_runs --runs 120 --nodes 100 --monitors 100

The slots are one second long, so that 120 runs take two minutes. Aim: 0.2 s (p50) with 100 monitors x 100 nodes.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path
from statistics import quantiles

from benchmarks.load import Fleet, live, push, workspace
from benchmarks.running import Running, ckkit_up, cpu_seconds, label, pss
from ckkit.kit.kit import Kit
from ckkit.wire import HttpWire

SCHEDULE = """[[jobs]]
name = "evaluate_monitors"
notebook = "evaluate_monitors.ipynb"
every = "1s"
timeout = "8s"
"""
WARMING = 5  # runs that are left out: imports, and the file system's first look


def made(folder: Path, nodes: int, monitors: int) -> Path:
    """Write the workspace of a fleet that is evaluated every second."""
    import shutil

    scheduled = folder / "scheduled"
    folder.mkdir()
    shutil.copytree(Path(__file__).parents[1] / "scheduled", scheduled)
    (scheduled / "schedule.toml").write_text(SCHEDULE)
    workspace(folder, nodes=nodes, checks=3, monitors=monitors)
    toml = folder / "ckkit.toml"
    toml.write_text('[hub]\nevaluate_every = "1s"\ndeadline = "900ms"\n' + toml.read_text())
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=120)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--monitors", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ckkit-bench-") as folder:
        used = made(Path(folder) / "workspace", asked.nodes, asked.monitors)
        with ckkit_up(used, "--no-lab", "--no-dashboards") as running:
            measure(running, asked.runs)


def measure(running: Running, wanted: int) -> None:
    wire = HttpWire.connect(running.home)
    pushing = threading.Thread(target=push, args=(wire, Fleet(wire), live(10.0, wanted // 10 + 3)), daemon=True)
    pushing.start()
    time.sleep(WARMING)
    before = {p.pid: cpu_seconds(p) for p in running.processes()}
    began = time.monotonic()
    time.sleep(wanted)
    took = time.monotonic() - began
    runs = [r for r in Kit(wire).jobs.runs("evaluate_monitors", wanted + 20) if r.finished][:wanted]
    seconds = sorted((r.finished - r.started).total_seconds() for r in runs if r.finished and r.state == "ok")
    cuts = quantiles(seconds, n=100)
    print(f"runs {len(runs)}, not ok {len(runs) - len(seconds)}")
    print(f"p50 {cuts[49]:.3f} s   p95 {cuts[94]:.3f} s   p99 {cuts[98]:.3f} s   longest {seconds[-1]:.3f} s")
    for row in wire.read(
        "select evaluated_by as who, count(*) as slots, max(instances) as instances, quantile_cont(took, 0.5) as p50_s "
        "from slots group by all order by who"
    ).to_pylist():
        print(
            "evaluated by {who}: {slots} slots, {instances} instances, {p50_s:.3f} s of it in the hub (p50)".format(
                **row
            )
        )
    for process in running.processes():
        used = (cpu_seconds(process) - before.get(process.pid, 0.0)) / took
        print(f"{label(process):32} {pss(process) / 1e6:6.0f} MB {used * 100:6.1f} % of a core")
    wire.close()


if __name__ == "__main__":
    main()
