"""The views of check types: any name is a column, a new metric is there at once, a file may be renamed."""

import shutil
import threading
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ckkit.errors import CkkitError, Invalid
from ckkit.model import Check, Metric, Node, Result, State
from ckkit.store import Store
from ckkit.store.compose import column_name, view_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("views") / "ckkit.duckdb", clock=lambda: NOW)
    yield store
    store.close()


def kept(store, kind, **values):
    """Keep a result of a check of this type and return the check's id."""
    store.inventory.sync([Node(name="n")], [Check(node="n", type=kind)])
    (check,) = store.inventory.checks()
    row = Result(check_id=check.check_id, ts=NOW, state=State.WARN, took_seconds=0.5, status="so so", values=values)
    store.results([row], source=kind, boot=str(store.last_seq()), sequence=1)
    return check.check_id


def test_a_view_says_who_when_and_how_it_went(store):
    check_id = kept(store, "load", load_1m=0.5)
    (row,) = [b.to_pylist()[0] for b in list(store.read("select * from checks.load"))[1:]]
    assert row == {
        "ts": NOW.replace(tzinfo=None),
        "node": "n",
        "instance": "",
        "check_id": check_id,
        "state": "warn",
        "status": "so so",
        "took_seconds": 0.5,
        "load_1m": 0.5,
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=NAMES, metric=NAMES)
@example(kind='a"; drop table results; --', metric="x'); drop table types; --")
@example(kind="select", metric="from")
@example(kind="1", metric="Ä ß")
def test_any_printable_name_is_a_view_and_a_column(store, kind, metric):
    kind = kind.lower()
    kept(store, kind, **{metric: 7.0})
    view, column = (text.replace('"', '""') for text in (kind, column_name(metric)))
    found = store.query(f'select "{column}" as v from checks."{view}" where v is not null').to_pylist()
    assert found and all(row == {"v": 7.0} for row in found)


def test_a_metric_named_as_a_column_of_a_result_gets_a_column_of_its_own(store):
    store.inventory.declare([Metric(type="clock", name="ts", kind="counter")])
    kept(store, "clock", ts=1234567.5, state=6.0, took=7.0, check_id=8.0, node=9.0, State=10.0)
    found = store.query("select * exclude (ts, node, check_id, instance) from checks.clock").to_pylist()
    assert found == [
        {"state": "warn", "status": "so so", "took_seconds": 0.5, "metric_ts": 1234567.5, "metric_state": 6.0}
        | {"took": 7.0, "metric_check_id": 8.0, "metric_node": 9.0, "State_6": 10.0}
    ]
    assert [metric.name for _, metric in store.inventory.metrics("clock")] == [
        *("ts", "state", "took", "check_id", "node", "State")
    ]


def test_names_that_differ_in_case_only_are_told_apart(store):
    kept(store, "case", busy=1.0, Busy=2.0)
    kept(store, "case", BUSY=3.0)
    rows = store.query("select * exclude (ts, check_id) from checks.case order by all").to_pylist()
    assert [(row["busy"], row["Busy_2"], row["BUSY_3"]) for row in rows] == [(1.0, 2.0, None), (None, None, 3.0)]
    with pytest.raises(Invalid, match=r"'CASE' and 'case' differ in case only"):
        kept(store, "CASE", busy=1.0)


@pytest.mark.parametrize("name", ["", "a\nb", "\x00", "x" * 129], ids=["none", "a line end", "a zero", "long"])
def test_a_name_that_nobody_can_write_is_refused(store, name):
    with pytest.raises(Invalid, match="1 to 128 printable characters"):
        store.inventory.declare([Metric(type="odd", name=name)])
    with pytest.raises(Invalid, match="1 to 128 printable characters"):
        store.inventory.declare([Metric(type=name, name="a")])


def test_a_new_metric_is_a_column_while_others_read(store):
    kept(store, "growing", m0=1.0)
    failures, done = [], threading.Event()

    def read():
        while not done.is_set():
            try:
                list(store.read("select * from checks.growing"))
                store.inventory.metrics("growing")
            except CkkitError as error:
                failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(1, 20):
        kept(store, "growing", **{f"m{n}": 1.0})
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.query("select m19 from checks.growing where m19 is not null").num_rows == 1


def test_views_live_on_in_a_renamed_copy(tmp_path):
    first, second = tmp_path / "ckkit.duckdb", tmp_path / "elsewhere" / "copy of friday.duckdb"
    store = Store.open(first)
    kept(store, "cpu", a=1.0)
    store.close()
    second.parent.mkdir()
    shutil.copy(first, second)
    store = Store.open(second)
    assert store.query("select a from checks.cpu").to_pylist() == [{"a": 1.0}]
    store.close()


def test_what_is_composed_is_one_statement_that_can_be_read():
    metrics = [(n, Metric(type="t", name=f'a"{n}')) for n in range(1, 40)]
    (statement,) = duckdb.extract_statements(view_of('t"', 3, metrics))
    assert statement.type == duckdb.StatementType.CREATE


def test_a_type_reads_its_own_part_of_the_table_only(store):
    kept(store, "one", a=1.0)
    kept(store, "two", b=2.0)
    assert store.query("select count(*) as n from checks.one")["n"].to_pylist() == [1]
    assert pa.types.is_timestamp(store.query("select ts from checks.one").schema.field("ts").type)
