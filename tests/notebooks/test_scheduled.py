"""The scheduled notebooks are thin, and run by papermill on a warm kernel against a small live hub."""

import ast
import json
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest

from ckkit.config import Home, Workspace
from ckkit.hub.hub import Hub
from ckkit.jobs.engine import WarmEngine
from ckkit.jobs.execution import execute
from ckkit.jobs.parameters import known
from ckkit.jobs.pool import Pool
from ckkit.jobs.schedulefile import load
from ckkit.kit.kit import Kit
from ckkit.model import Run
from ckkit.wire import HttpWire

SCHEDULED = Path(__file__).parents[2] / "scheduled"
NOTEBOOKS = sorted(SCHEDULED.glob("*.ipynb"))
TOML = """
[hub]
evaluate_every = "4s"
deadline = "3900ms"
[collect]
every = "1s"
timeout = "900ms"
[this_machine]
name = "here"
"""
MONITORS = """
[always]
check = "cpu"
critical = "busy_ratio >= 0"
message = "of a test"

[disk_forecast]
check = "disk"
reported = true
window = "6h"
missing = "nodata"
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_scheduled_notebook_is_thin(path):
    raw = json.loads(path.read_text())
    assert raw["metadata"] == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    cells = nbformat.read(path, as_version=4).cells
    assert len(cells) <= 15
    title, _, purpose = cells[0].source.partition("\n")
    assert title.startswith("# ") and "runner runs it" in purpose
    assert cells[1].metadata == {"tags": ["parameters"]}
    for line in cells[1].source.splitlines():
        assert " # " in line, f"without its unit: {line}"
    assert "kit = ck.open()" in cells[2].source
    kinds = [cell.cell_type for cell in cells[3:]]
    assert kinds == ["markdown", "code"] * (len(kinds) // 2)  # a sentence, a call
    for cell in cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            _assert_thin(ast.parse(cell.source))


def _assert_thin(tree):
    for node in ast.walk(tree):
        assert not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Lambda)
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= {"ckkit"}
        if isinstance(node, ast.ImportFrom):
            assert node.module.split(".")[0] in ("ckkit", "datetime")


def test_the_schedule_is_right_and_knows_every_notebook():
    jobs = load(SCHEDULED / "schedule.toml")
    assert {job.notebook for job in jobs.values()} == set(NOTEBOOKS)
    assert jobs["evaluate_monitors"].timeout < timedelta(seconds=10)
    for path in NOTEBOOKS:
        assert {"slot", "run_id"} <= set(known(path))


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A hub with results of this machine, and kernels that find it."""
    folder = tmp_path_factory.mktemp("s")
    (folder / "ws" / "monitors").mkdir(parents=True)
    (folder / "ws" / "ckkit.toml").write_text(TOML)
    (folder / "ws" / "monitors" / "all.toml").write_text(MONITORS)
    shutil.copytree(SCHEDULED, folder / "ws" / "scheduled")
    home = Home.find({"CKKIT_HOME": str(folder / "home")})
    hub = Hub(home, Workspace(folder / "ws"), port=0)
    hub.start()
    pool = Pool(folder / "k", cwd=folder, env={"CKKIT_HOME": str(home.path)})
    WarmEngine.use(pool)
    with Kit(HttpWire.connect(home)) as kit:
        end = time.monotonic() + 30
        while not (len(kit.sql("select 1 from checks.cpu")) and len(kit.sql("select 1 from checks.disk"))):
            assert time.monotonic() < end
            time.sleep(0.1)
        yield kit, folder
    WarmEngine.use(None)
    pool.close()
    hub.stop()


def run(live, name, slot, run_id):
    _, folder = live
    job = load(folder / "ws" / "scheduled" / "schedule.toml")[name]
    copy = folder / f"{name}-{run_id}.ipynb"
    record = Run(run_id=run_id, job=name, notebook=job.notebook.name, state="running", started=slot, slot=slot)
    return execute(job, record, copy), nbformat.read(copy, as_version=4)


def newest_slot():
    now = datetime.now(UTC)
    return now.replace(microsecond=0) - timedelta(seconds=now.second % 4)


def said(notebook):
    return "\n".join(
        "".join(output.get("text", "")) + output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )


def test_evaluate_monitors_judges_a_slot_once_and_shows_its_evidence(live):
    kit, _ = live
    before = newest_slot()
    while newest_slot() == before:  # the next one has results before it, and nobody has judged it
        time.sleep(0.02)
    slot = newest_slot()
    ended, notebook = run(live, "evaluate_monitors", slot, "first")
    assert (ended.state, ended.error) == ("ok", "")
    shown = said(notebook)
    for word in ("by notebook: 2 monitors", "always", "here", "busy_ratio >= 0", "firing", "notify"):
        assert word in shown, f"{word!r} is not shown in\n{shown}"
    (row,) = kit.sql("select slot, evaluated_by from slots where run_id = 'first'")
    assert (row["slot"].replace(tzinfo=UTC), row["evaluated_by"]) == (slot, "notebook")
    assert ended.changed is True
    again, notebook = run(live, "evaluate_monitors", slot, "second")
    assert (again.state, again.error, again.changed) == ("ok", "", False)
    assert "evaluated before: nothing was done" in said(notebook)
    assert len(kit.sql("select 1 from slots where run_id = 'second'")) == 0


def test_disk_forecast_says_that_it_knows_too_little_and_reports_ok(live):
    kit, _ = live
    ended, notebook = run(live, "disk_forecast", newest_slot(), "third")
    assert (ended.state, ended.error) == ("ok", "")
    shown = said(notebook)
    assert "too little history to say" in shown
    assert "by " in shown and "1 monitors" in shown
    reported = [alert for alert in kit.alerts.list() if alert.monitor == "disk_forecast"]
    assert reported and {alert.node for alert in reported} == {"here"}
    assert all("too little history" in alert.text for alert in reported)
    charts = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs if "data" in o]
    assert any("application/vnd.plotly.v1+json" in o.data for o in charts)


def test_evaluating_imports_no_pandas_plotly_or_store(live):
    _, folder = live
    job = load(folder / "ws" / "scheduled" / "schedule.toml")["evaluate_monitors"]
    notebook = nbformat.read(job.notebook, as_version=4)
    look = "import sys; print(sorted({'pandas', 'plotly', 'duckdb', 'numpy', 'pyarrow', 'polars'} & set(sys.modules)))"
    notebook.cells.append(nbformat.v4.new_code_cell(look))
    path = folder / "thin.ipynb"
    nbformat.write(notebook, path)
    from dataclasses import replace

    record = Run(run_id="thin", job="thin", notebook="thin.ipynb", state="running", started=newest_slot())
    ended = execute(replace(job, notebook=path), record, folder / "thin-copy.ipynb")
    assert (ended.state, ended.error) == ("ok", "")
    assert said(nbformat.read(folder / "thin-copy.ipynb", as_version=4)).rstrip().endswith("[]")
