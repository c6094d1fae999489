"""The code keeps its own rules: who may import whom, style, types. The same as `make lint types`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        [BIN / "lint-imports", "--no-cache"],
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."],
        [sys.executable, "-m", "ruff", "format", "--no-cache", "--check", "."],
        [sys.executable, "-m", "mypy", "--no-error-summary"],
        [sys.executable, "-m", "mypy", "--no-error-summary", "tests/typing/api.py"],
    ],
    ids=["who may import whom", "style", "format", "types", "types as users see them"],
)
@pytest.mark.timeout(300)
def test_it_finds_nothing(command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
