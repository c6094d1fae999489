"""Commands about providers."""

from typing import TYPE_CHECKING, Any

from ckkit.hub.registry import Caller, Nothing, command

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


@command("providers.list")
def list_providers(hub: "Hub", ask: Nothing, caller: Caller) -> list[dict[str, Any]]:
    """Return where nodes come from: `name`, `type`, number of `nodes`, when `listed`, the `problem` if there is one."""
    return [
        {
            "name": listing.name,
            "type": listing.type,
            "nodes": len(listing.nodes),
            "listed": listing.listed,
            "problem": listing.problem,
        }
        for listing in hub.inventory.listings()
    ]
