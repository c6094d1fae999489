"""What SQL of people may ask, and what it may not, beyond the statements that are no SELECT."""

import os

import pytest

from ckkit.errors import Refused, SqlError
from ckkit.model import Check, Node
from ckkit.store import Store, reading
from ckkit.store.reading import LONGEST


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("reading") / "ckkit.duckdb")
    store.inventory.sync([Node(name="n")], [Check(node="n", type="cpu")])
    yield store
    store.close()


def rows(store, sql, params=None):
    return [row for batch in list(store.read(sql, params))[1:] for row in batch.to_pylist()]


ASKED = [
    "select 1",
    "  -- what is there\n select 1 /* ; drop table results */ ;",
    "from results",
    "table results",
    "values (1), (2)",
    "with n as (select * from nodes) select count(*) from n",
    "with recursive t(i) as (select 1 union all select i + 1 from t where i < 5) select i from t",
    "describe results",
    "summarize checks",
    "show tables",
    "show all tables",
    "explain select * from results",
    "EXPLAIN  ANALYZE select * from results",
    "explain (format json) select 1",
    "explain analyze /* why so slow */ select 1",
    "select * from range(3) r(i) cross join generate_series(1, 2) g(j)",
    "select unnest([1, 2]) as i",
    "from query_table('nodes')",
    "select name, row_number() over (order by name) as n from nodes qualify n = 1",
    "select list_transform([1, 2], lambda x: x + 1)",
    "select * from duckdb_columns() where schema_name = 'checks'",
    "select * from duckdb_functions() limit 3",
    "from nodes pivot (count(*) for state in ('running', 'stopped'))",
    "select * exclude (details) from nodes",
    "select a.* from nodes a asof join nodes b on a.valid_from >= b.valid_from and a.name = b.name",
    "select 'copy results to here; select * from checkpoint()'",
]


@pytest.mark.parametrize("sql", ASKED, ids=lambda sql: sql[:40])
def test_a_question_is_answered(store, sql):
    pieces = list(store.read(sql))
    assert pieces[0].names


REFUSED = [
    "select * from checkpoint()",
    'select * from system.main."CheckPoint"()',
    "select (select count(*) from checkpoint())",
    "with c as (from checkpoint()) select 1",
    "select 1 union all select 2 from checkpoint()",
    "from query('select * from checkpoint()')",
    "from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "from truncate_duckdb_logs()",
    "from duckdb_secrets()",
    "from arrow_scan(1, 2, 3)",
    "from pandas_scan(1)",
    "from parquet_metadata('/etc/passwd')",
    "from sniff_csv('/etc/passwd')",
    "from read_json('/etc/passwd')",
    "from read_duckdb('/tmp/x.duckdb')",
    "from which_secret('s3://x', 's3')",
    "from create_external_resource()",
    "from add_grammar_extension('x')",
    "from enable_logging()",
    "from force_checkpoint()",
    "select write_log('x')",
    "select setseed(0.5)",
    "explain analyze insert into types values (9, 'x')",
    "explain analyze copy results to '/tmp/x.csv'",
    "explain copy results to '/tmp/x.csv'",
    "explain analyze checkpoint",
    "explain explain select 1",
    "/* x */ explain select 1",
    "explain /* /* */ select 1 -- */ analyze copy results to '/tmp/x.csv'",
    "explain (analyze /* ) select 1 -- */ ) copy results to '/tmp/x.csv'",
    "explain",
    "explain select 1; select 2",
    "set variable x = 1",
    "pivot nodes on state using count(*)",
]


@pytest.mark.parametrize("sql", REFUSED, ids=lambda sql: sql[:40])
def test_what_acts_is_refused(store, sql):
    with pytest.raises((Refused, SqlError)):
        list(store.read(sql))
    assert rows(store, "select 42 as a") == [{"a": 42}]


def test_explain_cannot_be_used_to_write_into_the_folder_for_temporary_files(store):
    folder = store.path.parent / "tmp"
    folder.mkdir(exist_ok=True)
    for verb in (
        "explain analyze",
        "explain (analyze)",
        "explain (analyze, format json)",
        "explain/**/analyze",
        "explain (analyze /* ) from nodes -- */ )",
    ):
        with pytest.raises((Refused, SqlError)):
            list(store.read(f"{verb} copy results to '{folder}/x.csv'"))
    assert os.listdir(folder) == []


def test_a_refusal_says_what_to_do(store):
    with pytest.raises(Refused, match=r"this is DELETE: write a SELECT"):
        list(store.read("delete from results"))
    with pytest.raises(Refused, match=r"here are 2: send them one by one"):
        list(store.read("select 1; select 2"))
    with pytest.raises(Refused, match=r"checkpoint\(\) cannot be used here"):
        list(store.read("from checkpoint()"))
    with pytest.raises(SqlError, match=r"(?s)nodez.*Did you mean"):
        list(store.read("select * from nodez"))


def test_a_statement_that_is_longer_than_anybody_writes_is_refused(store):
    with pytest.raises(Refused, match="give values as parameters"):
        list(store.read("select " + "1," * LONGEST + "1"))


@pytest.mark.parametrize(
    "sql",
    [
        "select * from (" * 900 + "select 1" + ")" * 900,
        "select * from (" * 13_000 + "select 1" + ")" * 13_000,
        "select " + "(" * 50_000 + "1" + ")" * 50_000,
        "select " + "not " * 40_000 + "true",
        "select " + "abs(" * 40_000 + "1" + ")" * 40_000,
    ],
    ids=["deep", "deeper", "brackets", "not", "calls"],
)
def test_what_is_nested_too_deeply_is_refused_and_nobody_falls(store, sql):
    with pytest.raises((Refused, SqlError)):
        list(store.read(sql))
    assert rows(store, "select 42 as a") == [{"a": 42}]


def test_parameters_are_values_and_nothing_else(store):
    text = "x'; drop table results --"
    assert rows(store, "select $a as a, $b::integer + 1 as b", {"a": text, "b": 1}) == [{"a": text, "b": 2}]
    with pytest.raises(SqlError, match="not provided"):
        list(store.read("select $a"))


def test_variables_of_our_own_code_are_no_tables(store):
    import pyarrow as pa

    frame = pa.table({"a": [1]})
    assert frame.num_rows == 1
    with pytest.raises(SqlError, match="frame does not exist"):
        list(store.read("select * from frame"))


def test_an_internal_query_reads_only(store):
    with pytest.raises(SqlError, match="read-only"):
        store.query("insert into types values (9, 'x')")
    assert store.query("select name from types").to_pylist() == [{"name": "cpu"}]


def test_what_was_refused_is_refused_again_and_what_was_answered_is_answered(store, monkeypatch):
    monkeypatch.setattr(reading, "REMEMBERED", 2)
    for _ in range(3):
        with pytest.raises(Refused):
            list(store.read("from checkpoint()"))
        assert [rows(store, f"select {n} as a") for n in range(4)] == [[{"a": n}] for n in range(4)]
    assert len(reading._HARMLESS) <= 2
