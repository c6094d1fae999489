"""What tests of several kinds use."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def needs() -> Callable[[str], Path]:
    """Return the path of a program; where it is missing, skip, and fail with CKKIT_TOOLS=required."""

    def find(tool: str) -> Path:
        found = shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/usr/lib/nagios/plugins")
        if found is None:
            why = f"{tool} is not installed"
            (pytest.fail if os.environ.get("CKKIT_TOOLS") == "required" else pytest.skip)(why)
        return Path(found)

    return find
