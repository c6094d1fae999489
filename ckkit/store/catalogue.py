"""
What the store knows by heart: types, metrics with their positions, the identity of each check.

Held in memory and changed with the file, in the writer's thread: a transaction that is rolled back has it read again.
Other threads look at `metrics`, so that one is replaced, never changed. A metric of a type takes the next position when
it is first seen and keeps it for ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ckkit.errors import Invalid
from ckkit.model import Metric
from ckkit.store.compose import view_of
from ckkit.store.tables import TYPE_SHIFT

NAME_LIMIT = 128
METRICS_LIMIT = 2000  # of one type
CHECKS_LIMIT = (1 << TYPE_SHIFT) - 1  # of one type, ever
TYPES_LIMIT = (1 << (32 - TYPE_SHIFT)) - 1

IDENTITIES = pa.schema(
    [("check_id", pa.uint32()), ("node", pa.string()), ("type", pa.string()), ("instance", pa.string())]
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a `check_id` means, for ever."""

    check_id: int
    node: str
    type: str
    instance: str


@dataclass(slots=True)
class Catalogue:
    types: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, dict[str, tuple[int, Metric]]] = field(default_factory=dict)
    ids: dict[tuple[str, str, str], int] = field(default_factory=dict)
    identities: dict[int, Identity] = field(default_factory=dict)
    node_ids: dict[str, int] = field(default_factory=dict)
    changed: bool = False  # since the last commit
    _last: dict[str, int] = field(default_factory=dict)  # id by type

    @classmethod
    def read(cls, cur: Any) -> "Catalogue":
        """Read it from the file."""
        found = cls(types=dict(cur.execute("select name, type_id from types").fetchall()))
        rows = cur.execute(
            "select type, position, name, kind, unit, exact, help from metrics order by type, position"
        ).fetchall()
        for type_name, position, name, kind, unit, exact, text in rows:
            metric = Metric(type=type_name, name=name, kind=kind, unit=unit, exact=exact, help=text)
            found.metrics.setdefault(type_name, {})[name] = (position, metric)
        for row in cur.execute("select check_id, node, type, instance from identities").fetchall():
            found._know(Identity(*row))
        found.node_ids = dict(cur.execute("select distinct name, node_id from nodes").fetchall())
        return found

    def type_id(self, cur: Any, name: str) -> int:
        """Return the number of a type; a new one gets the next, and its view."""
        if name not in self.types:
            _must_be_a_name(name, "check type")
            self._must_be_another(name)
            if len(self.types) >= TYPES_LIMIT:
                raise Invalid(f"there are {TYPES_LIMIT} check types, {name!r} would be one more")
            self.changed = True
            self.types[name] = max(self.types.values(), default=0) + 1
            cur.execute("insert into types values ($i, $n)", {"i": self.types[name], "n": name})
            self.make_view(cur, name)
        return self.types[name]

    def _must_be_another(self, name: str) -> None:
        same = next((known for known in self.types if known.lower() == name.lower()), None)
        if same is not None:
            raise Invalid(f"the check types {name!r} and {same!r} differ in case only, which SQL does not tell apart")

    def declare(self, cur: Any, metrics: Sequence[Metric]) -> None:
        """Give new metrics their positions; what is said of known ones replaces what was said before."""
        by_type: dict[str, list[Metric]] = {}
        for metric in metrics:
            by_type.setdefault(metric.type, []).append(metric)
        for type_name, listed in by_type.items():
            self.type_id(cur, type_name)
            known = dict(self.metrics.get(type_name, {}))
            fresh = {m.name: m for m in listed if m.name not in known or known[m.name][1] != m}
            for metric in fresh.values():
                known[metric.name] = (_position(known, metric), metric)
                _keep(cur, *known[metric.name])
            if fresh:
                self.changed = True
                self.metrics = {**self.metrics, type_name: known}
                self.make_view(cur, type_name)

    def positions(self, cur: Any, type_name: str, names: Sequence[str]) -> list[int]:
        """Return where each metric of a type lies; new ones are taken for gauges."""
        known = self.metrics.get(type_name, {})
        if new := [Metric(type=type_name, name=name) for name in names if name not in known]:
            self.declare(cur, new)
            known = self.metrics[type_name]
        return [known[name][0] for name in names]

    def exact(self, type_name: str, name: str) -> bool:
        """Say whether the values of a metric are kept to the last digit."""
        found = self.metrics.get(type_name, {}).get(name)
        return found is not None and (found[1].exact or found[1].kind == "counter")

    def identify(self, cur: Any, wanted: Sequence[tuple[str, str, str]]) -> None:
        """Give an id to each (node, type, instance) that has none."""
        new: list[Identity] = []
        for node, type_name, instance in wanted:
            if (node, type_name, instance) not in self.ids:
                self.type_id(cur, type_name)
                first, last = self.bounds(type_name)
                if last - first + 2 > CHECKS_LIMIT:
                    raise Invalid(f"there have been {CHECKS_LIMIT} checks of the type {type_name!r}: no id is left")
                new.append(Identity(last + 1, node, type_name, instance))
                self._know(new[-1])
                self.changed = True
        insert(cur, "identities", IDENTITIES, [_row(i) for i in new])

    def bounds(self, type_name: str) -> tuple[int, int]:
        """Return the first and the last id of a type's checks: all between them are given. Last < first: none is."""
        first = (self.types.get(type_name, 0) << TYPE_SHIFT) + 1
        return first, self._last.get(type_name, first - 1)

    def _know(self, identity: Identity) -> None:
        self.ids[identity.node, identity.type, identity.instance] = identity.check_id
        self.identities[identity.check_id] = identity
        self._last[identity.type] = max(identity.check_id, self._last.get(identity.type, 0))

    def make_view(self, cur: Any, type_name: str) -> None:
        """Make the view of a type as its metrics are now."""
        listed = sorted(self.metrics.get(type_name, {}).values(), key=lambda found: found[0])
        cur.execute(view_of(type_name, self.types[type_name], listed))


def _position(known: Mapping[str, tuple[int, Metric]], metric: Metric) -> int:
    """Return where a metric lies: where it lay, or behind the last of its type."""
    if metric.name in known:
        return known[metric.name][0]
    _must_be_a_name(metric.name, f"metric of {metric.type!r}")
    if len(known) >= METRICS_LIMIT:
        raise Invalid(
            f"check type {metric.type!r} has {METRICS_LIMIT} metrics, {metric.name!r} would be one more: "
            "put what varies (a path, a user) into the check's instance, not into the metric's name"
        )
    return len(known) + 1


def _keep(cur: Any, position: int, metric: Metric) -> None:
    at = {"type": metric.type, "position": position}
    cur.execute("delete from metrics where type = $type and position = $position", at)
    cur.execute(
        "insert into metrics values ($type, $position, $name, $kind, $unit, $exact, $help)",
        at
        | {"name": metric.name, "kind": metric.kind, "unit": metric.unit}
        | {"exact": metric.exact, "help": metric.help},
    )


def insert(cur: Any, table: str, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows into one of our tables, all at once."""
    if rows:
        cur.register("incoming_rows", pa.Table.from_pylist(list(rows), schema=schema))
        try:
            cur.execute(f"insert into {table} by name select * from incoming_rows")  # noqa: S608  a name of this package
        finally:
            cur.unregister("incoming_rows")


def _row(identity: Identity) -> dict[str, Any]:
    return {name: getattr(identity, name) for name in ("check_id", "node", "type", "instance")}


def _must_be_a_name(name: str, what: str) -> None:
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise Invalid(f"{name[:40]!r} cannot name a {what}: write 1 to {NAME_LIMIT} printable characters")
