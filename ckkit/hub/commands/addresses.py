"""Addresses: where notifications go. Their URLs hold passwords, and never leave the hub."""

from typing import TYPE_CHECKING, Any

import msgspec

from ckkit.hub.registry import Caller, Nothing, Role, command

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


class TestAddress(msgspec.Struct, forbid_unknown_fields=True):
    name: str


@command("addresses.list")
def list_addresses(hub: "Hub", ask: Nothing, caller: Caller) -> list[dict[str, Any]]:
    """Return the addresses of ckkit.toml: name, kind, and what is wrong with it (empty: nothing is)."""
    problems = hub.evaluator.teller.problems
    return [
        {"name": name, "kind": address.kind, "problem": problems.get(name, "")}
        for name, address in sorted(hub.evaluator.config.addresses.items())
    ]


@command("addresses.test", role=Role.OPERATOR)
def test_address(hub: "Hub", ask: TestAddress, caller: Caller) -> dict[str, str]:
    """Send a test message to an address, wait for what it says, and return that (`answer`)."""
    return {"name": ask.name, "answer": hub.evaluator.teller.test(ask.name)}
