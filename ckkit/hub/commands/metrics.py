"""Commands about metrics."""

from typing import TYPE_CHECKING

import msgspec

from ckkit.hub.registry import Caller, command
from ckkit.model import Metric

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


class ListMetrics(msgspec.Struct, forbid_unknown_fields=True):
    type: str | None = None


@command("metrics.list")
def list_metrics(hub: "Hub", ask: ListMetrics, caller: Caller) -> list[Metric]:
    """Return what a check type measures, or all of them, by type: kind, unit and meaning of each."""
    return hub.inventory.metrics(ask.type)
