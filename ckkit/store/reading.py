"""
What a statement may do before it is run: be one SELECT, and call no function that is more than a question.

DuckDB has table functions that act (`checkpoint()` passes a read-only transaction), that run text (`query`), or that
take addresses of memory (`arrow_scan`); each version brings more. So those that people need are listed, and the rest is
refused. Functions of single values only compute, but for a few.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from ckkit.errors import Refused

LONGEST = 200_000  # characters of a statement: reading one cannot be interrupted

REMEMBERED = 500  # statements
_HARMLESS: set[str] = set()  # those that were judged so: pages ask the same again and again, and only the text decides

TABLE_FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """
    range generate_series unnest repeat repeat_row json_each json_tree query_table summary histogram histogram_values
    duckdb_columns duckdb_constraints duckdb_databases duckdb_dependencies duckdb_functions duckdb_indexes
    duckdb_keywords duckdb_memory duckdb_schemas duckdb_sequences duckdb_settings duckdb_table_sample duckdb_tables
    duckdb_temporary_files duckdb_types duckdb_variables duckdb_views
    pragma_collations pragma_database_size pragma_metadata_info pragma_platform pragma_show pragma_storage_info
    pragma_table_info pragma_user_agent pragma_version
    icu_calendar_names pg_timezone_names test_all_types
    """,
    )
)
ACTING = frozenset(("write_log", "setseed", "nextval"))  # functions of single values that change something

# No comments: what is a comment for us and what for DuckDB must not differ, or a COPY could hide in one.
_EXPLAIN = re.compile(r"\s*explain(?:\s+analyze\b|\s*\([\w\s,]*\))*+", re.IGNORECASE)
_WRITES = "SQL here only reads, this is {}: write a SELECT; what changes something is a command of the kit"


def only_reads(cur: Any, sql: str) -> Any:
    """
    Return the one statement of a text, after it was found to be a SELECT, or EXPLAIN of one.

    Raises:
        Refused: it is something else, or several, or too long, or it calls what may not be called.
        duckdb.Error: it cannot be read.
    """
    if len(sql) > LONGEST:
        raise Refused(f"this statement has {len(sql)} characters, {LONGEST} are taken: give values as parameters")
    statement = _only_one(cur, sql)
    asked = statement
    if statement.type == duckdb.StatementType.EXPLAIN:
        asked = _only_one(cur, sql[_explained(sql) :])
    if asked.type != duckdb.StatementType.SELECT:
        raise Refused(_WRITES.format(asked.type.name))
    _calls_allowed(cur, asked.query)
    return statement


def _only_one(cur: Any, sql: str) -> Any:
    statements = cur.extract_statements(sql)
    if len(statements) != 1:
        raise Refused(f"one statement at a time, here are {len(statements)}: send them one by one")
    return statements[0]


def _explained(sql: str) -> int:
    """Return where the statement begins that an EXPLAIN is about."""
    found = _EXPLAIN.match(sql)
    if found is None:
        raise Refused("this EXPLAIN cannot be read: begin with `explain select …` or `explain analyze select …`")
    return found.end()


def _calls_allowed(cur: Any, select: str) -> None:
    if select not in _HARMLESS:
        _judge(cur, select)
        if len(_HARMLESS) >= REMEMBERED:
            _HARMLESS.clear()
        _HARMLESS.add(select)


def _judge(cur: Any, select: str) -> None:
    text = cur.execute("select json_serialize_sql($sql::varchar)", {"sql": select}).fetchone()[0]
    try:
        tree = json.loads(text)
    except RecursionError:
        raise Refused("this statement is nested too deeply: name its parts in a WITH") from None
    if tree.get("error"):
        raise Refused(_WRITES.format(f"no plain SELECT ({tree.get('error_message', 'unknown')})"))
    for kind, name in _calls(tree):
        if kind == "TABLE_FUNCTION" and name not in TABLE_FUNCTIONS:
            raise Refused(f"the table function {name}() cannot be used here: what there is, is in tables and views")
        if name in ACTING:
            raise Refused(f"the function {name}() cannot be used here: SQL here only reads")


def _calls(tree: Any) -> Iterator[tuple[str, str]]:
    """Yield what a statement calls: (TABLE_FUNCTION or FUNCTION, its name in lower case)."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(part)
        elif isinstance(part, dict):
            if "function_name" in part:
                yield "FUNCTION", str(part["function_name"]).lower()
            elif part.get("type") == "TABLE_FUNCTION":
                yield "TABLE_FUNCTION", str((part.get("function") or {}).get("function_name", "")).lower()
            waiting.extend(part.values())
