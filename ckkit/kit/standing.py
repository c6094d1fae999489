"""
How nodes and monitors stand: the worst level of each, counted where the alerts are.

A hub may have a hundred thousand alerts; a list of nodes needs one word a node.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ckkit.errors import CkkitError
from ckkit.model import Level
from ckkit.views.records import Standing

if TYPE_CHECKING:
    from ckkit.kit.kit import Kit

NODES = """
select node as name, count(*) as judged, count(*) filter (where status <> 'ok') as bad,
       max(case when status = 'ok' then 0 when level = 'nodata' then 1 when level = 'warn' then 2
                when level = 'critical' then 3 else 0 end) as worst
from alerts where watched group by node order by node
"""
MONITORS = """
select monitor as name, count(*) as judged, count(*) filter (where status <> 'ok') as bad,
       max(case when status = 'ok' then 0 when level = 'nodata' then 1 when level = 'warn' then 2
                when level = 'critical' then 3 else 0 end) as worst
from alerts where watched group by monitor order by monitor
"""
RANK = (Level.OK, Level.NODATA, Level.WARN, Level.CRITICAL)


def of_nodes(kit: "Kit") -> Mapping[str, Standing]:
    """Return how each node stands that has an alert, by name; nothing where it cannot be told: it is for looks."""
    return _standing(kit, NODES)


def of_monitors(kit: "Kit") -> Mapping[str, Standing]:
    """Return how each monitor stands that was judged, by name."""
    return _standing(kit, MONITORS)


def _standing(kit: "Kit", statement: str) -> Mapping[str, Standing]:
    try:
        rows = kit.wire.read(statement.strip()).to_pylist()
    except CkkitError:
        return {}
    return {row["name"]: Standing(RANK[row["worst"]], row["bad"], row["judged"]) for row in rows}
