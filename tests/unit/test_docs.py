"""The documentation is held to the code."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from ckkit import cli, model
from ckkit.alerts.monitorfile import Vocabulary, read_folder
from ckkit.config import Workspace
from ckkit.plugins import load

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


def test_every_command_of_the_readme_is_what_the_command_line_takes():
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"^\./ck ((?!up\b|test\b).+)$", text, re.M) + re.findall(
        r"`\./ck ((?!up\b|test\b)[^`]+)`", text
    )
    assert len(commands) >= 6
    for command in commands:
        words = shlex.split(command, comments=True)
        asked, rest = cli.parser().parse_known_args([*words, "list"] if words[-1] in cli.NOUNS else words)
        assert rest == [] or hasattr(asked, "pairs"), command


@pytest.mark.parametrize("page", ["README.md", "docs/checks.md"])
def test_the_toml_of_the_pages_is_a_configuration(page, tmp_path):
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / page).read_text(), re.S)
    (tmp_path / "ckkit.toml").write_text("\n".join(blocks))
    assert blocks
    Workspace(tmp_path).load()


def test_the_monitor_of_its_page_can_be_read(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "monitors.md").read_text(), re.S)
    (tmp_path / "m.toml").write_text(block)
    types = load("ckkit.checks")
    words = Vocabulary(
        metrics={name: [metric.name for metric in kind.metrics] for name, kind in types.items()}, addresses=("oncall",)
    )
    reading = read_folder(tmp_path, words)
    assert reading.problems == []
    assert list(reading.monitors) == ["disk_full"]
