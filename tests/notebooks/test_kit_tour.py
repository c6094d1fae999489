"""`notebooks/00_tour.ipynb` is thin, and runs top to bottom: against a live hub, and against a store file."""

import re
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ckkit.config import Home, Workspace
from ckkit.hub.hub import Hub
from ckkit.kit.kit import Kit
from ckkit.views.charts import MIME
from ckkit.wire import StoreWire

TOUR = Path(__file__).parents[2] / "notebooks" / "00_tour.ipynb"
TOML = """
[collect]
every = "1s"
timeout = "900ms"
[this_machine]
name = "here"
tags = ["local"]
"""
MONITORS = """
[busy]
nodes = "tag:local"
check = "cpu"
warn = "busy_ratio > 2"
"""


def read() -> nbformat.NotebookNode:
    return nbformat.read(TOUR, as_version=4)


def run(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run every cell in a kernel of its own; raises what a cell raises."""
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def shown(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """What the cells gave, in order."""
    return [output.data for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]


def test_it_is_thin() -> None:
    cells = read().cells
    assert len(cells) <= 15
    assert cells[0].source.startswith("# ")
    assert cells[1].metadata.tags == ["parameters"]
    assert all("#" in line for line in cells[1].source.splitlines())
    assert "ck.open(store)" in cells[2].source
    for cell in cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert not re.search(r"^(class|def) |%pip|duckdb", cell.source, re.MULTILINE)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    workspace = tmp_path / "ws"
    (workspace / "monitors").mkdir(parents=True)
    (workspace / "ckkit.toml").write_text(TOML)
    (workspace / "monitors" / "machine.toml").write_text(MONITORS)
    return Hub(Home.find({"CKKIT_HOME": str(tmp_path / "home")}), Workspace(workspace), port=0)


def test_it_runs_on_a_live_hub_and_then_on_its_file(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKKIT_HOME", str(hub.home.path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    try:
        hub.start()
        kit = Kit(StoreWire(hub.store, hub))
        for _ in range(400):
            if len(kit.sql("select 1 as n from checks.cpu")):
                break
            time.sleep(0.05)
        kit.monitors.evaluate()
        live = shown(run(read(), tmp_path))
    finally:
        hub.stop()
    assert any("here" in data.get("text/html", "") for data in live)
    assert any(data.get(MIME, {}).get("data") for data in live), "a chart with a line"
    assert any("busy" in data.get("text/html", "") for data in live)

    notebook = read()
    notebook.cells[1].source += f'\nstore = "{hub.home.store}"  # as papermill would'
    offline = shown(run(notebook, tmp_path))
    assert len(offline) == len(live)
