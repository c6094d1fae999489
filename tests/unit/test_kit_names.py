"""`import ckkit`: few names, in order, and nothing else imported."""

import json
import subprocess
import sys

import pytest

import ckkit
from ckkit import errors

HEAVY = {"pyarrow", "duckdb", "pandas", "polars", "numpy", "plotly", "aiohttp", "IPython", "structlog", "tomlkit"}


def imported_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has after `code`."""
    told = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_public_names_are_few_sorted_and_there() -> None:
    assert ckkit.__all__ == sorted(ckkit.__all__)
    assert len(ckkit.__all__) <= 20
    assert dir(ckkit) == ckkit.__all__
    for name in ckkit.__all__:
        assert getattr(ckkit, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error_that_lists_the_names() -> None:
    with pytest.raises(AttributeError, match="it has Alert, Check"):
        ckkit.nothing  # noqa: B018


def test_importing_ckkit_imports_nothing_else() -> None:
    found = imported_by("import ckkit")
    assert {name for name in found if name.startswith("ckkit")} == {"ckkit"}


def test_a_record_or_an_error_costs_no_more_than_its_module() -> None:
    found = imported_by("import ckkit; ckkit.Node, ckkit.NotFound")
    assert {name for name in found if name.startswith("ckkit")} == {"ckkit", "ckkit.errors", "ckkit.model"}


def test_the_kit_is_thin() -> None:
    found = imported_by("import ckkit; ckkit.Kit, ckkit.chart")
    assert not found & HEAVY
    subsystems = ("ckkit.store", "ckkit.hub", "ckkit.collect", "ckkit.alerts", "ckkit.jobs")
    assert not [name for name in found if name.startswith(subsystems)]


def test_a_ckkit_error_shows_its_message_in_a_notebook_and_other_errors_their_traceback() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shown: list[list[str]] = []
    shell._showtraceback = lambda kind, value, lines: shown.append(lines)  # type: ignore[method-assign]
    shell.user_ns["failed"] = errors.NotFound("no node 'wbe0': did you mean web0?")
    shell.run_cell("raise failed")
    shell.run_cell("1 / 0")
    shell.history_manager.end_session()
    assert shown[0] == ["NotFound: no node 'wbe0': did you mean web0?"]
    assert "Traceback" in "".join(shown[1])


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert ckkit.__version__ == version("ckkit")
