"""
Nodes, checks and metrics over time: what should be, compared with what is, becomes versions and events.

Ids are given once and kept for ever: a node or check that goes and comes back is the same one.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from ckkit.model import Check, Metric, Node
from ckkit.store.catalogue import Catalogue, insert
from ckkit.store.secrets import redacted
from ckkit.store.times import naive
from ckkit.store.transaction import Tx

T = TypeVar("T")

TEXTS = pa.list_(pa.string())
NODES = pa.schema(
    [
        ("node_id", pa.uint32()),
        ("name", pa.string()),
        ("provider", pa.string()),
        ("state", pa.string()),
        ("tags", TEXTS),
        ("public_addresses", TEXTS),
        ("private_addresses", TEXTS),
        ("details", pa.string()),
        ("valid_from", pa.timestamp("ms")),
    ]
)
CHECKS = pa.schema(
    [
        ("check_id", pa.uint32()),
        ("node_id", pa.uint32()),
        ("type", pa.string()),
        ("instance", pa.string()),
        ("labels", pa.string()),
        ("details", pa.string()),
        ("every_seconds", pa.float64()),
        ("timeout_seconds", pa.float64()),
        ("passive", pa.bool_()),
        ("valid_from", pa.timestamp("ms")),
    ]
)
CURRENT_NODES = """
select node_id, name, provider, state, tags, public_addresses, private_addresses, details
from nodes where valid_to is null order by name
"""
CURRENT_CHECKS = """
select c.check_id, i.node, c.node_id, c.type, c.instance, c.labels, c.details, c.every_seconds, c.timeout_seconds,
       c.passive
from checks c join identities i using (check_id) where c.valid_to is null order by i.node, c.type, c.instance
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a sync did: names of nodes, keys of checks."""

    nodes_added: tuple[str, ...] = ()
    nodes_changed: tuple[str, ...] = ()
    nodes_removed: tuple[str, ...] = ()
    checks_added: tuple[str, ...] = ()
    checks_changed: tuple[str, ...] = ()
    checks_removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


class Doors(Protocol):
    """What the inventory uses of the store."""

    def write(self, fn: Callable[[Tx], T]) -> T: ...
    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table: ...


class Inventory:
    """`store.inventory`."""

    def __init__(self, store: Doors, catalogue: Callable[[], Catalogue]) -> None:
        self._store, self._catalogue = store, catalogue

    def sync(self, nodes: Sequence[Node], checks: Sequence[Check]) -> Changes:
        """
        Make the inventory these nodes and checks: differences become versions, and events `nodes` and `checks`.

        The check of a node that is not among `nodes` is left out.
        """
        return self._store.write(lambda tx: _sync(tx, nodes, checks))

    def declare(self, metrics: Iterable[Metric]) -> None:
        """Say what the metrics of check types mean; makes their views."""
        listed = list(metrics)
        self._store.write(lambda tx: tx.catalogue.declare(tx.cur, listed))

    def nodes(self) -> list[Node]:
        """Return the nodes there are now, by name."""
        return [node_of(row) for row in self._store.query(CURRENT_NODES).to_pylist()]

    def checks(self) -> list[Check]:
        """Return the checks there are now, by node, type and instance; params without their secrets."""
        return [check_of(row) for row in self._store.query(CURRENT_CHECKS).to_pylist()]

    def metrics(self, type: str | None = None) -> list[tuple[int, Metric]]:
        """Return positions and metrics, by type and position; of one type where it is given."""
        found = self._catalogue().metrics
        return [
            pair
            for name in sorted(found)
            if type is None or name == type
            for pair in sorted(found[name].values(), key=lambda pair: pair[0])
        ]

    def position(self, type: str, name: str) -> int | None:
        """Return the position (from 1) of a metric of a type; None while it has none."""
        found = self._catalogue().metrics.get(type, {}).get(name)
        return found[0] if found else None


def node_of(row: Mapping[str, Any]) -> Node:
    return Node(
        node_id=row["node_id"],
        name=row["name"],
        provider=row["provider"],
        state=row["state"],
        tags=tuple(row["tags"]),
        public_addresses=tuple(row["public_addresses"]),
        private_addresses=tuple(row["private_addresses"]),
        details=json.loads(row["details"]),
    )


def check_of(row: Mapping[str, Any]) -> Check:
    return Check(
        check_id=row["check_id"],
        node=row["node"],
        type=row["type"],
        instance=row["instance"],
        labels=json.loads(row["labels"]),
        params=json.loads(row["details"]),
        every=timedelta(seconds=row["every_seconds"]),
        timeout=timedelta(seconds=row["timeout_seconds"]),
        passive=row["passive"],
    )


def _sync(tx: Tx, nodes: Sequence[Node], checks: Sequence[Check]) -> Changes:
    added, changed, removed, ids = _sync_nodes(tx, {node.name: node for node in nodes})
    wanted = {(c.node, c.type, c.instance): c for c in checks if c.node in ids}
    found = _sync_checks(tx, wanted, ids)
    changes = Changes(
        nodes_added=added,
        nodes_changed=changed,
        nodes_removed=removed,
        checks_added=found[0],
        checks_changed=found[1],
        checks_removed=found[2],
    )
    for topic, change in ((t, c) for t in ("nodes", "checks") for c in ("added", "changed", "removed")):
        for name in getattr(changes, f"{topic}_{change}"):
            tx.emit(topic, name.split("/")[0], {"change": change, topic[:-1]: name})
    return changes


def _sync_nodes(
    tx: Tx, wanted: Mapping[str, Node]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], dict[str, int]]:
    rows = {row["name"]: row for row in _rows(tx, CURRENT_NODES)}
    ids = tx.catalogue.node_ids
    new = [name for name in wanted if name not in ids]
    tx.catalogue.changed = tx.catalogue.changed or bool(new)
    ids.update(zip(new, itertools.count(max(ids.values(), default=0) + 1)))
    desired = {name: _node_row(node, ids[name]) for name, node in wanted.items()}
    added, changed, removed = _difference(rows, desired)
    gone = [rows[name]["node_id"] for name in (*changed, *removed)]
    _end(tx, "nodes", "node_id", gone)
    at = naive(tx.now)
    insert(tx.cur, "nodes", NODES, [desired[name] | {"valid_from": at} for name in (*added, *changed)])
    return added, changed, removed, {name: ids[name] for name in wanted}


def _sync_checks(
    tx: Tx, wanted: Mapping[tuple[str, str, str], Check], node_ids: Mapping[str, int]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    tx.catalogue.identify(tx.cur, list(wanted))
    rows = {}
    for row in _rows(tx, CURRENT_CHECKS):
        rows[_key(row.pop("node"), row["type"], row["instance"])] = row
    desired = {
        _key(*key): _check_row(check, tx.catalogue.ids[key], node_ids[check.node]) for key, check in wanted.items()
    }
    added, changed, removed = _difference(rows, desired)
    _end(tx, "checks", "check_id", [rows[key]["check_id"] for key in (*changed, *removed)])
    at = naive(tx.now)
    insert(tx.cur, "checks", CHECKS, [desired[key] | {"valid_from": at} for key in (*added, *changed)])
    return added, changed, removed


def _difference(
    have: Mapping[str, Any], want: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    added = tuple(key for key in want if key not in have)
    changed = tuple(key for key in want if key in have and have[key] != want[key])
    return added, changed, tuple(key for key in have if key not in want)


def _end(tx: Tx, table: str, column: str, ids: list[int]) -> None:
    if ids:
        tx.cur.execute(
            # A clock that was set back must not end a version before it began.
            f"update {table} set valid_to = greatest(valid_from, $at) "  # noqa: S608  names of this module
            f"where valid_to is null and {column} in (select unnest($ids))",
            {"at": naive(tx.now), "ids": ids},
        )


def _rows(tx: Tx, sql: str) -> list[dict[str, Any]]:
    return tx.cur.sql(sql).to_arrow_table().to_pylist()  # type: ignore[no-any-return]


def _key(node: str, type_name: str, instance: str) -> str:
    return Check(node=node, type=type_name, instance=instance).key


def _node_row(node: Node, node_id: int) -> dict[str, Any]:
    return {
        "node_id": node_id,
        "name": node.name,
        "provider": node.provider,
        "state": node.state,
        "tags": list(node.tags),
        "public_addresses": list(node.public_addresses),
        "private_addresses": list(node.private_addresses),
        "details": _json(node.details),
    }


def _check_row(check: Check, check_id: int, node_id: int) -> dict[str, Any]:
    return {
        "check_id": check_id,
        "node_id": node_id,
        "type": check.type,
        "instance": check.instance,
        "labels": _json(check.labels),
        "details": _json(check.params),
        "every_seconds": check.every.total_seconds(),
        "timeout_seconds": check.timeout.total_seconds(),
        "passive": check.passive,
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(redacted(value), sort_keys=True, default=str, ensure_ascii=False, separators=(",", ":"))
