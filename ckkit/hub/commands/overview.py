"""The command of the overview page."""

from typing import TYPE_CHECKING

import msgspec

from ckkit.hub.registry import Caller, command

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


class GetOverview(msgspec.Struct, forbid_unknown_fields=True):
    since: int | None = None


@command("overview.get")
def get_overview(hub: "Hub", ask: GetOverview, caller: Caller) -> msgspec.Raw:
    """Return the overview of this tick; of the tick `since`, only that it is `unchanged`."""
    tick = hub.overview.tick
    if ask.since == tick:
        return msgspec.Raw(msgspec.json.encode({"tick": tick, "unchanged": True}))
    return msgspec.Raw(hub.overview.document())
