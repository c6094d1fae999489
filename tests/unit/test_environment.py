"""One list of versions: environment.yml and requirements.lock are held to pyproject.toml."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"python-duckdb": "duckdb"}


def name_and_range(requirement: str) -> tuple[str, str]:
    found = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*(.*)$", requirement)
    assert found is not None
    name = re.sub(r"[-_.]+", "-", found[1]).lower()
    return CONDA_NAMES.get(name, name), found[2]


def declared(*extras: str) -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [r for e in extras for r in project["optional-dependencies"][e]]
    return dict(name_and_range(r) for r in wanted)


def test_conda_users_get_the_same_ranges():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    flat = [r for item in listed for r in (item["pip"] if isinstance(item, dict) else [item])]
    found = dict(name_and_range(r) for r in flat if r not in ("pip", "-e .") and not r.startswith("python>"))
    assert found == declared("hub", "lab", "test")


def test_every_dependency_is_locked_with_hashes_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", lock, re.M))
    missing = set(declared("hub", "lab", "nats", "test")) - set(locked)
    assert not missing
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
