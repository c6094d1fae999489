"""The documentation is held to the code."""

import dataclasses
import re
from pathlib import Path

import pytest

from ckkit import model

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    p
    for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    if not any(part.startswith(".") for part in p.parts[-3:])
)


def test_every_record_is_in_the_glossary():
    text = (ROOT / "docs" / "glossary.md").read_text()
    records = [name for name, kind in vars(model).items() if dataclasses.is_dataclass(kind)]
    assert len(records) > 15
    assert [name for name in records if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_inside_the_project_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_decision_record_says_what_it_costs_and_when_to_revisit_it():
    for page in (ROOT / "docs" / "adr").glob("*.md"):
        text = page.read_text()
        for part in ("**Context.**", "**Decision.**", "**What it costs.**", "**Revisit**"):
            assert part in text, (page.name, part)
