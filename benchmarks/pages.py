"""
The overview with many nodes: from the request to rows on the screen, with a kernel that waits; what its kernel weighs.

    python -m benchmarks.pages --nodes 1000 --opens 7
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from benchmarks.load import workspace
from benchmarks.running import ckkit_up, pss

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
KERNEL = "JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId"


def kernel(pid: int, name: str) -> psutil.Process:
    """Return the process of a kernel below the supervisor."""
    for process in psutil.Process(pid).children(recursive=True):
        if name in " ".join(process.cmdline()):
            return process
    raise SystemExit(f"no process has the kernel {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--opens", type=int, default=7)
    parser.add_argument(
        "--pause", type=float, default=12.0, help="seconds between visits, in which a kernel gets ready"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace(Path(folder) / "w", nodes=asked.nodes)
        with ckkit_up(Path(folder) / "w", "--no-lab") as running:
            subprocess.run([sys.executable, "-m", "benchmarks.load", "push", "--history", "10m"], check=True)
            url = f"{running.home.part('dashboards')['url']}/voila/render/overview.ipynb"  # type: ignore[index]
            token = running.home.token("operator")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
                context = browser.new_context(viewport={"width": 1400, "height": 900})
                context.new_page().goto(f"{url}?token={token}")
                took, weight = [], []
                for _ in range(asked.opens):
                    time.sleep(asked.pause)
                    page = context.new_page()
                    started = time.perf_counter()
                    page.goto(url, wait_until="commit")
                    page.wait_for_selector(".ck-row")
                    took.append(time.perf_counter() - started)
                    weight.append(pss(kernel(running.pid, page.evaluate(KERNEL))))
                    page.close(run_before_unload=True)
                browser.close()
    print(
        f"overview, {asked.nodes} nodes, request to rows, warm kernel: "
        f"min {min(took):.2f} s, median {statistics.median(took):.2f} s, max {max(took):.2f} s"
    )
    print(f"its kernel: {statistics.median(weight) / 1e6:.0f} MB PSS")


if __name__ == "__main__":
    main()
