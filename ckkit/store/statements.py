"""Statements of more than a line: `sql/<name>.sql`, one a file, with its contract on top."""

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """Return the statement of that name, as text."""
    return (files("ckkit.store") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
