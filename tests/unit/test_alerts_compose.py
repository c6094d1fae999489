"""The SQL made of monitors: the database reads it, and nothing of what people write is taken for SQL."""

import duckdb
import pytest

from ckkit.alerts.plans import plan
from ckkit.errors import Invalid
from ckkit.model import Monitor
from ckkit.store import alert_tables, tables
from ckkit.store.compose_conditions import AGGREGATES, column, quoted, statement, windows

POSITIONS = {"used_ratio": 1, 'odd "name"': 2, "select": 17}
AT = {"slot": "2026-01-01", "monitor": 1, "longest_ms": 60000}


@pytest.fixture(scope="module")
def con():
    made = duckdb.connect()
    tables.create(made)
    alert_tables.create(made)
    made.execute(
        "create temp table tick_values (alert_id ubigint, value double, critical bool, warn bool, recovered bool)"
    )
    yield made
    made.close()


def made(critical, **more):
    return statement(plan(Monitor(name="m", nodes="*", check="t", critical=critical, **more), POSITIONS), POSITIONS)


@pytest.mark.parametrize(
    "critical",
    [
        "used_ratio > 0.9 and took_seconds > 1",
        "state = 'err' or status like '%it''s; drop table results --%'",
        "used_ratio != 1",
        "coalesce(used_ratio, 0) > 1",
        "case when used_ratio is null then true else used_ratio > 0.5 end",
    ],
)
@pytest.mark.parametrize("aggregate", ["last", *AGGREGATES])
def test_the_database_reads_every_statement_as_one_select(con, critical, aggregate):
    (found,) = con.extract_statements(made(critical, aggregate=aggregate))
    assert found.type == duckdb.StatementType.SELECT
    rows = con.execute(made(critical, aggregate=aggregate), AT)
    assert [column[0] for column in rows.description] == ["alert_id", "value", "critical", "warn", "recovered"]


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_windows_are_one_insert(con, aggregate):
    (found,) = con.extract_statements(windows(aggregate, [0, 1, 16, 17]))
    assert found.type == duckdb.StatementType.INSERT
    con.execute(windows(aggregate, [0, 1, 16, 17]), {"slot": "2026-01-01", "longest_ms": 60000})


def test_only_what_is_known_becomes_sql():
    with pytest.raises(Invalid, match="no aggregate 'last; drop"):
        windows("last; drop table results", [1])
    assert quoted('odd "name"') == '"odd ""name"""'
    assert [column(p) for p in (0, 1, 16, 17)] == ["r.took::double", "r.v1", "r.v16", "r.more[1]"]


def test_a_metric_without_a_position_is_null(con):
    text = statement(plan(Monitor(name="m", nodes="*", check="t", critical="x > 1 or x < 0"), ["x"]), {})
    assert 'null::double as "x"' in text
    con.execute(text, AT)
