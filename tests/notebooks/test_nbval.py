"""Every notebook of the workspace runs cell by cell under nbval, against a live hub that measures this machine."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("notebooks", "scheduled", "voila_apps")
NOTEBOOKS = sorted(p.relative_to(ROOT) for folder in FOLDERS for p in (ROOT / folder).glob("*.ipynb"))
TOML = """
[hub]
port = 0

[collect]
every = "1s"
timeout = "800ms"

[this_machine]
name = "here"
"""


@pytest.fixture(scope="module")
def live(hub_kind, tmp_path_factory):
    """A hub with the project's monitors that has measured this machine for some seconds."""
    hub = hub_kind(tmp_path_factory.mktemp("nbval") / "hub", TOML)
    for monitor in (ROOT / "monitors").glob("*.toml"):
        hub.workspace.monitors.joinpath(monitor.name).write_text(monitor.read_text())
    try:
        hub.start()
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if hub.wire.read("select count(*) as n from checks.cpu")["n"][0].as_py() >= 3:
                break
            time.sleep(0.2)
        yield hub
    finally:
        hub.close()


def test_there_are_notebooks_to_run():
    assert {p.name for p in NOTEBOOKS} >= {"00_tour.ipynb", "evaluate_monitors.ipynb", "overview.ipynb", "node.ipynb"}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=str)
def test_every_cell_runs(notebook, live):
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, "-W", "default", "--override-ini", "addopts=", str(ROOT / notebook)],
        env={**os.environ, **live.env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
