"""Which checks there should be: from ckkit.toml and this machine, with each mistake told by its line."""

from pathlib import Path

import pytest

from ckkit.collect.catalogue import Catalogue
from ckkit.collect.desired import Desired, Place, desired
from ckkit.config import Workspace
from ckkit.model import Check, Node

CATALOGUE = Catalogue()
NODES = (
    Node(name="here", tags=("local",)),
    Node(name="web0", tags=("web",), private_addresses=("10.0.0.10",)),
    Node(name="web1", tags=("web", "staging"), private_addresses=("10.0.0.11",)),
)


def read(folder: Path, text: str, before: dict[str, Check] | None = None, here: str | None = "here") -> Desired:
    (folder / "ckkit.toml").write_text(text)
    workspace = Workspace(folder)
    return desired(workspace.load(), NODES, here, CATALOGUE, Place(workspace.toml, text), before or {})


def test_this_machine_is_checked_without_a_word(tmp_path: Path) -> None:
    found = read(tmp_path, "")
    types = {check.type for check in found.checks.values()}
    assert types == {"cpu", "memory", "load", "processes", "disk", "network"}
    assert {check.node for check in found.checks.values()} == {"here"}
    assert "here/disk:/" in found.checks
    assert found.problems == [] and found.lines == {}
    assert {check.every.total_seconds() for check in found.checks.values()} == {10}


def test_a_machine_that_is_not_watched_has_no_checks_of_its_own(tmp_path: Path) -> None:
    assert read(tmp_path, "", here=None).checks == {}


def test_a_check_of_one_node_and_of_each_node_of_a_query(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '[[checks]]\nnodes = "tag:web"\ntype = "http"\ninstance = "home"\nurl = "http://{address}/"\nevery = "1m"\n'
        '[[checks]]\nnode = "web1"\ntype = "ping"\ncount = 5\nlabels = { team = "a" }\n',
        here=None,
    )
    assert sorted(found.checks) == ["web0/http:home", "web1/http:home", "web1/ping"]
    http, ping = found.checks["web0/http:home"], found.checks["web1/ping"]
    assert (http.every.total_seconds(), http.timeout.total_seconds()) == (60, 8)
    assert (ping.params, ping.labels) == ({"count": 5}, {"team": "a"})
    assert found.lines == {"web0/http:home": 1, "web1/http:home": 1, "web1/ping": 7}


def test_what_is_written_goes_before_this_machines_own_and_a_node_before_a_query(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '[[checks]]\nnodes = "*"\ntype = "tcp"\nport = 22\n'
        '[[checks]]\nnode = "web0"\ntype = "tcp"\nport = 2222\n'
        '[[checks]]\nnode = "here"\ntype = "disk"\nevery = "5m"\n',
    )
    assert found.checks["web0/tcp"].params == {"port": 2222}
    assert found.checks["web1/tcp"].params == {"port": 22}
    assert found.checks["here/disk:/"].every.total_seconds() == 300  # without an instance: each that there is
    assert found.problems == []


MISTAKES = [
    # the table, then the line of the mistake and what is said
    ('node = "web9"\ntype = "ping"', 2, "there is no node 'web9': did you mean 'web1'?"),
    ('node = "web0"\ntype = "htpp"', 3, "there is no check type 'htpp': did you mean 'http'?"),
    ('node = "web0"\ntype = "http"\n\nurll = "http://x/"', 5, "has no key 'urll': did you mean 'url'?"),
    ('node = "web0"\ntype = "tcp"\nport = "eighty"', 4, "Expected `int`, got `str`"),
    ('node = "web0"\ntype = "tcp"', 1, "missing required field `port`"),
    ('node = "web0"\ntype = "cpu"', 2, "cpu measures the machine that it runs on, and web0 is not this one (here)"),
    ('nodes = "tagg:web"\ntype = "ping"', 2, "there is no field tagg, did you mean tag?"),
    ('node = "web0"\ntype = "ping"\nevery = "5s"\ntimeout = "6s"', 5, "`timeout` (6s) is longer than `every` (5s)"),
    ('node = "web0"\ntype = "ping"\nevery = "100ms"', 4, "the shortest interval is 1s"),
    ('node = "web0"\ntype = "backup"\npassive = true\nport = 1', 5, "a passive check is not run from here"),
]


@pytest.mark.parametrize(("table", "line", "said"), MISTAKES)
def test_a_mistake_is_told_by_its_line_and_the_others_go_on(tmp_path: Path, table: str, line: int, said: str) -> None:
    good = '\n[[checks]]\nnode = "web1"\ntype = "ping"\n'
    found = read(tmp_path, f"[[checks]]\n{table}\n{good}", here="here")
    (problem,) = found.problems
    assert (problem.file, problem.line) == (str(tmp_path / "ckkit.toml"), line)
    assert said in problem.message
    assert "web1/ping" in found.checks and "here/cpu" in found.checks


def test_a_check_that_became_wrong_runs_on_as_it_was(tmp_path: Path) -> None:
    good = read(tmp_path, '[[checks]]\nnode = "web0"\ntype = "tcp"\nport = 80\n', here=None)
    bad = read(tmp_path, '[[checks]]\nnode = "web0"\ntype = "tcp"\nprot = 81\n', good.checks, here=None)
    assert bad.checks == good.checks and len(bad.problems) == 1
    gone = read(tmp_path, "", bad.checks, here=None)
    assert gone.checks == {}  # taken out is taken out


def test_a_check_that_is_written_twice(tmp_path: Path) -> None:
    found = read(tmp_path, '[[checks]]\nnode = "web0"\ntype = "tcp"\nport = 1\n' * 2, here=None)
    assert [p.line for p in found.problems] == [5]
    assert "the check web0/tcp is written twice (line 1): give one an `instance`" in found.problems[0].message
    assert len(found.checks) == 1


def test_a_passive_check_may_be_of_any_type(tmp_path: Path) -> None:
    found = read(tmp_path, '[[checks]]\nnode = "web0"\ntype = "backup"\npassive = true\nevery = "1d"\n', here=None)
    assert found.checks["web0/backup"].passive and found.problems == []


def test_a_secrets_file_is_relative_to_the_workspace(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '[[checks]]\nnode = "web0"\ntype = "http"\nuser = "ann"\npassword_file = "secrets/web"\n',
        here=None,
    )
    assert found.checks["web0/http"].params["password_file"] == str(tmp_path / "secrets" / "web")
