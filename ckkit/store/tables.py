"""
The first tables of the store.

`results` has a row a run of a check, and no primary key: one would make appends nine times slower. What `v1` … `v16`
and the rest in `more` mean is said a type by `metrics`; the views in the schema `checks` give them their names.
`check_id` is `type_id << 20 | n`, so that the checks of a type lie together in the file.

`nodes` and `checks` keep every version; the current one has no `valid_to`. `identities` never changes: it is what
the views join. Params and details are stored without their secrets: SQL has no grants.
"""

from typing import Any

SLOTS = 16  # value columns of `results`; further metrics of a type go to `more`
TYPE_SHIFT = 20

_VALUES = ", ".join(f"v{i} double" for i in range(1, SLOTS + 1))

_DDL = (
    "create schema checks",
    "create table types (type_id usmallint not null, name varchar not null)",
    """
    create table metrics (
        type varchar not null, position usmallint not null, name varchar not null,
        kind varchar not null, unit varchar not null, exact boolean not null, help varchar not null
    )
    """,
    """
    create table nodes (
        node_id uinteger not null, name varchar not null, provider varchar not null, state varchar not null,
        tags varchar[] not null, public_addresses varchar[] not null, private_addresses varchar[] not null,
        details varchar not null, valid_from timestamp_ms not null, valid_to timestamp_ms
    )
    """,
    """
    create table identities (
        check_id uinteger not null, node varchar not null, type varchar not null, instance varchar not null
    )
    """,
    """
    create table checks (
        check_id uinteger not null, node_id uinteger not null, type varchar not null, instance varchar not null,
        labels varchar not null, details varchar not null, every_seconds double not null,
        timeout_seconds double not null, passive boolean not null,
        valid_from timestamp_ms not null, valid_to timestamp_ms
    )
    """,
    f"""
    create table results (
        ts timestamp_ms not null, check_id uinteger not null, state utinyint not null, took float, status varchar,
        {_VALUES}, more double[]
    )
    """,
    """
    create table events (
        seq ubigint not null, ts timestamp_ms not null, topic varchar not null, scope varchar not null,
        source varchar not null, payload varchar not null
    )
    """,
    """
    create table sources (
        source varchar not null, boot varchar not null, sequence ubigint not null, seen timestamp_ms not null
    )
    """,
    "create table annotations (ts timestamp_ms not null, node varchar, scope varchar, who varchar, text varchar)",
    """
    create table runs (
        run_id varchar not null, job varchar not null, notebook varchar not null, slot timestamp_ms,
        state varchar not null, started timestamp_ms not null, finished timestamp_ms, error varchar not null,
        output varchar not null, parameters varchar not null, kernel varchar not null, why varchar not null,
        missed integer not null
    )
    """,
    """
    create table audit (
        ts timestamp_ms not null, caller varchar not null, role varchar not null, peer varchar not null,
        command varchar not null, payload varchar not null, outcome varchar not null, took float
    )
    """,
)


def create(cur: Any) -> None:
    """Create the tables. A migration: runs once, in its own transaction."""
    for statement in _DDL:
        cur.execute(statement)
