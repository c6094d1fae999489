"""
The tables of alerts: what is watched, what state it is in, and everything that happened to it.

    monitors        every version of every monitor; the one in force has no `valid_to`
    thresholds      the monitors in force, compiled: a row a monitor and check that it watches
    alerts          the state of each of those rows; kept, once unwatched, until everybody told of it is told of its end
    slots           which slot was judged, by whom: the primary key is what makes a tick count once
    transitions     every change of an alert, with its reason; never changed
    told            which address was told of which alert, and has not been told that it is over; a refusal too
    notifications   every attempt to tell somebody, with the answer, and every decision not to, with the reason
    silences        people asked for quiet

`alert_id` is `monitor_id << 32 | check_id`: an alert is one monitor on one check, so both are in its number, and joins
compare one integer. Times are UTC in milliseconds; durations end in `_ms`. Addresses are known here by name only:
their URLs hold passwords, and SQL has no grants.
"""

from typing import Any

LEVELS = ("ok", "warn", "critical", "nodata")
STATUSES = ("ok", "pending", "firing")

_DDL = (
    "create type level as enum ('ok', 'warn', 'critical', 'nodata')",
    "create type status as enum ('ok', 'pending', 'firing')",
    """
    create table monitors (
        monitor_id uinteger not null, name varchar not null, version uinteger not null, file varchar not null,
        definition varchar not null, valid_from timestamp_ms not null, valid_to timestamp_ms
    )
    """,
    # A level holds when the value lies between its two bounds, both included; an unused one has null bounds.
    # A null `missing` or `on_error` keeps what was. A check that was `born` less than `delay_ms` ago is not judged, one
    # that was born less than `grace_ms` ago is not taken for missing.
    # `position`: 0 is the time a check took, n is v<n>; null for conditions that are statements, and for reports.
    """
    create table thresholds (
        alert_id ubigint not null, monitor_id uinteger not null, version uinteger not null, check_id uinteger not null,
        kind varchar not null, position usmallint, aggregate varchar not null,
        warn_low double, warn_high double, critical_low double, critical_high double,
        recovery_low double, recovery_high double, recovers boolean not null,
        lookback_ms bigint not null, window_ms bigint not null, hold_ms bigint not null, keep_ms bigint not null,
        born timestamp_ms not null, delay_ms bigint not null, grace_ms bigint not null, missing level, on_error level
    )
    """,
    # `band` is the level that the conditions last gave while the alert fires: what the dead band keeps.
    # `decision` is what was last decided about telling people; null while nothing was since the last change.
    """
    create table alerts (
        alert_id ubigint not null, monitor_id uinteger not null, check_id uinteger not null,
        monitor varchar not null, node varchar not null, "check" varchar not null, watched boolean not null,
        status status not null, level level not null, band level,
        since timestamp_ms, fired_at timestamp_ms, keep_since timestamp_ms,
        slot timestamp_ms not null, value double, text varchar, result_at timestamp_ms, reason varchar not null,
        decision varchar
    )
    """,
    """
    create table slots (
        grp varchar not null, slot timestamp_ms not null, evaluated_by varchar not null, run_id varchar not null,
        evaluated_at timestamp_ms not null, took float, monitors uinteger not null, instances uinteger not null,
        missed uinteger not null, up_since timestamp_ms not null, errors varchar,
        primary key (grp, slot)
    )
    """,
    """
    create table transitions (
        slot timestamp_ms not null, alert_id ubigint not null, monitor_id uinteger not null, check_id uinteger not null,
        monitor varchar not null, node varchar not null, "check" varchar not null,
        "before" status not null, "after" status not null, level level not null, reason varchar not null,
        value double, text varchar, monitor_version uinteger not null
    )
    """,
    """
    create table told (
        alert_id ubigint not null, address varchar not null, level level not null, delivered boolean not null,
        since timestamp_ms, told_at timestamp_ms not null
    )
    """,
    """
    create table notifications (
        ts timestamp_ms not null, alert_id ubigint, monitor varchar not null, node varchar not null,
        "check" varchar not null, slot timestamp_ms, address varchar, kind varchar not null, level level,
        outcome varchar not null, attempt uinteger not null, reason varchar not null, answer varchar not null,
        took float
    )
    """,
    """
    create table silences (
        silence_id uinteger not null, nodes varchar not null, monitor varchar not null,
        starts timestamp_ms not null, ends timestamp_ms not null, who varchar not null, comment varchar not null
    )
    """,
)


def create(cur: Any) -> None:
    """Create the types and tables of alerts. A migration: runs once, in its own transaction."""
    for statement in _DDL:
        cur.execute(statement)
