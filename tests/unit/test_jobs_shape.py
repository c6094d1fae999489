"""The engine fits papermill, and the runner is as small as it says."""

import subprocess
import sys

import nbformat
import papermill.engines
import pytest

from ckkit.errors import CkkitError
from ckkit.jobs.engine import WarmEngine

RUNNER = """
import sys
from ckkit.jobs.lean import UNUSED, without
with without(*UNUSED):
    from ckkit.jobs.runner import main
import papermill, nbformat
heavy = {"pyarrow", "rfc3987_syntax", "rich", "pandas", "numpy", "plotly", "duckdb", "IPython"}
print(sorted(heavy & set(sys.modules)))
import pyarrow
"""
HUB = """
import sys, ckkit.hub.commands
print(sorted({"papermill", "nbclient", "nbformat", "jupyter_client", "apscheduler", "zmq"} & set(sys.modules)))
"""


def test_papermill_finds_the_engine_by_its_entry_point():
    assert papermill.engines.papermill_engines.get_engine("ckkit-warm") is WarmEngine


def test_the_engine_has_everything_that_papermill_asks_of_one():
    asked = {name for name in vars(papermill.engines.Engine) if not name.startswith("_")}
    assert asked <= {name for name in vars(WarmEngine) if not name.startswith("_")}


def written(tmp_path, **kernelspec):
    path = tmp_path / "x.ipynb"
    kernel = {"name": "x", "display_name": "X", **kernelspec}
    nbformat.write(nbformat.v4.new_notebook(metadata={"kernelspec": kernel}), path)
    return {"input_path": str(path), "output_path": None, "engine_name": "ckkit-warm", "progress_bar": False}


def test_outside_a_runner_the_engine_says_why_it_cannot_run(tmp_path):
    with pytest.raises(CkkitError, match="it runs in the runner"):
        papermill.execute_notebook(**written(tmp_path))


def test_a_notebook_in_another_language_is_refused(tmp_path):
    with pytest.raises(CkkitError, match="written in R: scheduled notebooks are Python"):
        papermill.execute_notebook(**written(tmp_path, language="R"))


@pytest.mark.parametrize("program", [RUNNER, HUB], ids=["runner", "hub"])
def test_what_is_heavy_is_left_out(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
