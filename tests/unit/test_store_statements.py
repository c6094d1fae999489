"""Each file of SQL: one statement, its contract on top, and somebody who uses it."""

import re
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest

import ckkit.store
from ckkit.store import statement

NAMES = sorted(Path(str(file)).stem for file in (files("ckkit.store") / "sql").iterdir())
CODE = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted(Path(next(iter(ckkit.store.__path__))).glob("*.py"))
)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_one_statement_with_its_contract_on_top(name):
    text = statement(name)
    assert len(duckdb.extract_statements(text)) == 1
    contract = [line for line in text.splitlines() if line.startswith("-- ")]
    assert text.startswith(contract[0]) and len(contract[0]) > 20
    for parameter in set(re.findall(r"\$(\w+)", re.sub(r"--.*", "", text))):
        assert any(f"${parameter}" in line for line in contract), f"${parameter} is not in the contract"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_used_by_its_name(name):
    assert f'"{name}"' in CODE


def test_every_statement_that_is_asked_for_has_a_file():
    asked = re.findall(r'statement\("(\w+)"\)', CODE)
    assert asked and set(asked) <= set(NAMES)
