"""The dashboards that there are: a card a notebook, with the title and the purpose that its first cell tells."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Card:
    """`path` is relative to the folder of the dashboards, with `/`."""

    path: str
    title: str
    purpose: str


def cards(folder: Path) -> list[Card]:
    """Return the notebooks of a folder and those below it, by path; the overview first. Hidden ones are left out."""
    found = [
        path for path in folder.rglob("*.ipynb") if not any(p.startswith(".") for p in path.relative_to(folder).parts)
    ]
    made = [card(path, path.relative_to(folder).as_posix()) for path in found]
    return sorted(made, key=lambda one: (one.path != "overview.ipynb", one.path))


def card(path: Path, name: str) -> Card:
    """Return the card of a notebook; one that cannot be read says so."""
    try:
        notebook = json.loads(path.read_bytes())
        first = next((c for c in notebook["cells"] if c["cell_type"] == "markdown"), {"source": ""})
        title, purpose = told("".join(first["source"]))
        named = notebook.get("metadata", {}).get("title", "")
    except (OSError, ValueError, KeyError, TypeError):
        return Card(name, name, "This notebook cannot be read.")
    return Card(name, title or named or path.stem.replace("_", " "), purpose)


def told(markdown: str) -> tuple[str, str]:
    """
    Return the title and the first paragraph of a cell, without marks of code.

    >>> told("# Overview\\n\\nThe nodes, live:\\na line each. `node.ipynb`\\n\\nMore.")
    ('Overview', 'The nodes, live: a line each. node.ipynb')
    """
    blocks = [block for block in markdown.strip().split("\n\n") if block.strip()]
    title = blocks.pop(0).lstrip("# ").strip() if blocks and blocks[0].startswith("#") else ""
    return title, " ".join(blocks[0].split()).replace("`", "") if blocks else ""
