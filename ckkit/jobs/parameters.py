"""
What a notebook may be given: the assignments of its cell tagged `parameters`.

Read from the notebook's text, without papermill (which only warns of a parameter that
the notebook does not know, and runs) and without running anything.
"""

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ckkit.errors import Invalid

Parameters = Mapping[str, "Parameter"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A name the notebook knows, its default as written, and the comment beside it: what it means, in which unit."""

    name: str
    default: str
    help: str = ""


def known(notebook: Path) -> dict[str, Parameter]:
    """
    Return the parameters of a notebook, in the order they are written; none when it has no cell with that tag.

    Raises:
        Invalid: the file is missing, is no notebook, or its parameters are no Python.
    """
    return parse("\n".join(_tagged(notebook)), notebook.name)


def parse(source: str, where: str = "the notebook") -> dict[str, Parameter]:
    """
    Read the source of a parameters cell.

    >>> parse("hours = 24  # how far ahead to look, hours")
    {'hours': Parameter(name='hours', default='24', help='how far ahead to look, hours')}
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise Invalid(f"{where}: line {error.lineno} of its parameters cannot be read as Python: {error.msg}") from None
    found = {}
    for statement in tree.body:
        for target in _targets(statement):
            default = ast.get_source_segment(source, statement.value) if statement.value else None  # type: ignore[attr-defined]
            found[target] = Parameter(target, default or "", _comment(source, statement))
    return found


def check(given: Iterable[str], parameters: Parameters, notebook: str) -> None:
    """Raise Invalid, naming the parameters that `notebook` knows, when it is given another."""
    for name in given:
        if name not in parameters:
            near = get_close_matches(name, parameters, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            names = ", ".join(parameters) or "none (it has no cell tagged `parameters`)"
            raise Invalid(f"{notebook} has no parameter {name!r}: {hint}it knows {names}", parameter=name)


def _tagged(notebook: Path) -> list[str]:
    try:
        cells = json.loads(notebook.read_bytes())["cells"]
        for cell in cells:
            if cell["cell_type"] == "code" and "parameters" in cell.get("metadata", {}).get("tags", []):
                source = cell["source"]
                return [source] if isinstance(source, str) else ["".join(source)]
        return []
    except OSError as error:
        raise Invalid(f"{notebook}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Invalid(f"{notebook}: not a notebook of format 4: open and save it in JupyterLab") from None


def _targets(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.AnnAssign):
        return [statement.target.id] if isinstance(statement.target, ast.Name) else []
    if isinstance(statement, ast.Assign):
        return [t.id for t in statement.targets if isinstance(t, ast.Name)]
    return []


def _comment(source: str, statement: ast.stmt) -> str:
    """The comment that ends the statement's last line."""
    line = source.splitlines()[(statement.end_lineno or statement.lineno) - 1]
    rest = line.encode()[statement.end_col_offset or 0 :].decode()
    return rest.partition("#")[2].strip()
