"""
Golden notebooks: executed copies with their outputs, compared strictly by nbval on a store that is made anew.

`CKKIT_GOLDEN=write pytest tests/notebooks/test_golden.py` writes the outputs; look at the difference before a commit.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ckkit.model import Check, Metric, Node, Result, State
from ckkit.store import Store

FOLDER = Path(__file__).parent / "golden"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two nodes, an hour of one metric each, and a check that failed."""
    path = tmp_path_factory.mktemp("golden") / "ckkit.duckdb"
    made = Store.open(path, clock=lambda: NOON)
    made.inventory.declare(
        [Metric(type="cpu", name="busy_ratio", unit="ratio"), Metric(type="http", name="status_code")]
    )
    made.inventory.sync(
        [Node(name="web0", tags=("web",), private_addresses=("10.0.0.1",)), Node(name="web1", tags=("web", "canary"))],
        [Check(node=n, type="cpu") for n in ("web0", "web1")] + [Check(node="web0", type="http", instance="home")],
    )
    ids = {check.key: check.check_id for check in made.inventory.checks()}
    results = [
        Result(
            check_id=ids[f"web{n}/cpu"],
            ts=NOON + timedelta(minutes=m),
            state=State.OK,
            took_seconds=0.25,
            status="fine",
            values={"busy_ratio": (m + n) / 100},
        )
        for n in (0, 1)
        for m in range(60)
    ]
    failed = Result(check_id=ids["web0/http:home"], ts=NOON, state=State.ERR, took_seconds=1.0, status="refused")
    made.results([*results, failed], source="golden", boot="1", sequence=1)
    made.close()
    return path


def nbval(notebook, store, *options):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "default"]
    return subprocess.run(
        [*command, "--override-ini", "addopts=", *options, str(notebook)],
        env={**os.environ, "CKKIT_GOLDEN_STORE": str(store)},
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def written(notebook, store):
    os.environ["CKKIT_GOLDEN_STORE"] = str(store)
    import nbformat
    from nbclient import NotebookClient

    found = nbformat.read(notebook, 4)
    NotebookClient(found, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}).execute()
    for cell in found.cells:
        cell.metadata.pop("execution", None)
    nbformat.write(found, notebook)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_outputs_are_the_same(notebook, store):
    if os.environ.get("CKKIT_GOLDEN") == "write":
        written(notebook, store)
    done = nbval(notebook, store, "--nbval", f"--nbval-sanitize-with={FOLDER / 'sanitize.cfg'}")
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout


def test_another_output_is_noticed(store, tmp_path):
    changed = tmp_path / "changed.ipynb"
    changed.write_text(NOTEBOOKS[0].read_text().replace("web1", "web9"))
    assert nbval(changed, store, "--nbval").returncode == 1


def test_there_are_golden_notebooks():
    assert len(NOTEBOOKS) >= 2
