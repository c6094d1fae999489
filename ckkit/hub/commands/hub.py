"""Commands about the hub itself."""

from typing import TYPE_CHECKING, Any

from ckkit.hub.notices import Notice
from ckkit.hub.registry import Caller, Nothing, Role, command

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


@command("hub.status")
def status(hub: "Hub", ask: Nothing, caller: Caller) -> dict[str, Any]:
    """Return what the hub is and how it fares: version, pid, home, store, collector, last slot, lag, notices."""
    return hub.status()


@command("hub.reload", role=Role.OPERATOR)
def reload(hub: "Hub", ask: Nothing, caller: Caller) -> dict[str, int]:
    """Read ckkit.toml again, and make it so. A bad edit leaves what was in force."""
    hub.reload()
    return {"nodes": len(hub.inventory.nodes()), "checks": len(hub.inventory.checks())}


@command("notices.list")
def list_notices(hub: "Hub", ask: Nothing, caller: Caller) -> list[Notice]:
    """Return what the hub wants people to know now, the worst first."""
    return hub.notices.list()
