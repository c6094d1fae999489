"""What every provider promises: each plugin of the group `ckkit.providers` is held to it."""

import re
from importlib.metadata import entry_points
from typing import Any

import pytest

from ckkit.errors import ConfigError
from ckkit.model import Node
from ckkit.plugins import discover
from ckkit.protocols import Provider

FOUND = discover("ckkit.providers").found

# A table that each kind can be made with here, without a network.
TABLES: dict[str, dict[str, Any]] = {
    "static": {"nodes": [{"name": "web0", "address": "192.0.2.10", "tags": ["web"]}]},
    "libcloud": {"driver": "dummy", "creds_env": "CKKIT_TEST_CREDENTIALS", "tags": ["cloud"]},
}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKKIT_TEST_CREDENTIALS", "not-a-secret")


def test_every_entry_point_is_found() -> None:
    assert sorted(FOUND) == sorted(point.name for point in entry_points(group="ckkit.providers"))
    assert FOUND.keys() == TABLES.keys(), "a new kind needs its table in TABLES"


@pytest.mark.parametrize("kind", sorted(FOUND))
def test_it_lists_nodes(kind: str) -> None:
    provider = FOUND[kind]("fleet", TABLES[kind])
    assert isinstance(provider, Provider)
    assert provider.name == "fleet"
    nodes = list(provider.nodes())
    assert len(nodes) >= 2
    assert all(isinstance(node, Node) and node.provider == "fleet" for node in nodes)
    assert all(re.fullmatch(r'[^\s/"]+', node.name) for node in nodes)
    assert len({node.name for node in nodes}) == len(nodes)
    assert all(isinstance(v, str) for node in nodes for v in (*node.details, *node.details.values()))


@pytest.mark.parametrize("kind", sorted(FOUND))
def test_it_says_the_same_again(kind: str) -> None:
    provider = FOUND[kind]("fleet", TABLES[kind])
    assert list(provider.nodes()) == list(provider.nodes())


@pytest.mark.parametrize("kind", sorted(FOUND))
def test_a_wrong_table_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"the provider fleet\b.*nonsense"):
        FOUND[kind]("fleet", TABLES[kind] | {"nonsense": 1})
