"""`%load_ext ckkit`: %%cksql, its parameters, and Tab, in a real shell on a real store."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import ckkit
from ckkit.kit.magics import parameters
from ckkit.model import Check, Metric, Node, Result, State
from ckkit.store import Store
from ckkit.wire.frame import Frame

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[InteractiveShell]:
    path = tmp_path / "ckkit.duckdb"
    store = Store.open(path)
    try:
        store.inventory.declare([Metric(name="busy_ratio", type="cpu", unit="ratio")])
        store.inventory.sync([Node(name="web0"), Node(name="web 1")], [Check(node="web0", type="cpu")])
        check_id = store.inventory.checks()[0].check_id or 0
        result = Result(check_id=check_id, ts=NOW, state=State.OK, took_seconds=0.1, values={"busy_ratio": 0.5})
        store.results([result], source="test", boot="1", sequence=1)
    finally:
        store.close()
    shell = InteractiveShell()
    ckkit.load_ipython_extension(shell)
    shell.user_ns["kit"] = ckkit.open(path)
    yield shell
    shell.user_ns["kit"].close()
    shell.history_manager.end_session()


def run(shell: InteractiveShell, cell: str) -> object:
    done = shell.run_cell(cell)
    done.raise_error()
    return done.result


def tab(shell: InteractiveShell, line: str) -> list[str]:
    """What Tab offers at the end of a line, as a kernel answers."""
    with provisionalcompleter():
        return [found.text for found in shell.Completer.completions(line, len(line))]


def test_a_cell_of_sql_takes_the_variables_it_names_and_gives_a_frame(shell: InteractiveShell) -> None:
    shell.user_ns["node"] = "web0"
    found = run(shell, "%%cksql\nselect node, busy_ratio from checks.cpu\nwhere node = $node")
    assert isinstance(found, Frame)
    assert list(found) == [{"node": "web0", "busy_ratio": 0.5}]


def test_the_word_on_the_first_line_keeps_the_frame(shell: InteractiveShell) -> None:
    found = run(shell, "%%cksql busy\nselect 1 as n")
    assert shell.user_ns["busy"] is found
    assert run(shell, "busy['n']") == [1]


def test_a_line_of_sql(shell: InteractiveShell) -> None:
    found = run(shell, "x = %cksql select count(*) as n from checks.cpu\nx['n'][0]")
    assert found == 1


@pytest.mark.parametrize(
    ("cell", "error", "says"),
    [
        ("%%cksql\nselect $absent", ckkit.Invalid, "no variable absent"),
        ("%%cksql a b\nselect 1", ckkit.Invalid, "the name of a variable"),
        ("%%cksql\ndrop table results", ckkit.Refused, "SELECT"),
    ],
)
def test_what_cannot_be_run_says_why(shell: InteractiveShell, cell: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        run(shell, cell)


def test_texts_quoted_names_and_comments_are_no_parameters() -> None:
    sql = """select '$a it''s $b', "$c" -- $d\nwhere x = $e and y = $e"""
    assert parameters(sql, {"e": 1, "a": 2}) == {"e": 1}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ('kit.nodes["', ["web 1", "web0"]),
        ('kit.nodes["web0', ["web0"]),
        ('kit.checks["web0/', ["web0/cpu"]),
        ('kit.metrics["cpu.', ["cpu.busy_ratio", "cpu.took_seconds"]),
        ('kit.series("', ["cpu.busy_ratio", "cpu.took_seconds"]),
        ('kit.nodes["web0"].series("cpu.b', ["cpu.busy_ratio"]),
    ],
)
def test_tab_offers_names(shell: InteractiveShell, line: str, offered: list[str]) -> None:
    assert sorted(tab(shell, line)) == offered


def test_tab_offers_no_metrics_elsewhere(shell: InteractiveShell) -> None:
    line = 'x = "cpu.'
    assert "cpu.busy_ratio" not in tab(shell, line)
