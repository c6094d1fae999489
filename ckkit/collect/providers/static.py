"""The nodes that are written in ckkit.toml, and this machine."""

import platform
import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import psutil

from ckkit.config import NodeConfig, ThisMachine
from ckkit.errors import ConfigError
from ckkit.model import Node


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the provider is made with: those parts of ckkit.toml."""

    this_machine: ThisMachine = ThisMachine()
    nodes: tuple[NodeConfig, ...] = ()


class Static:
    """`nodes` has this machine first (unless it is switched off), then those written, in their order."""

    def __init__(self, name: str, table: Mapping[str, Any], facts: Callable[[], dict[str, str]] | None = None) -> None:
        self.name = name
        self._facts = facts or describe
        try:
            self._table = msgspec.convert(dict(table), Table)
        except msgspec.ValidationError as error:
            raise ConfigError(f"the provider {name}: {error}") from None

    def nodes(self) -> list[Node]:
        here = self._table.this_machine
        written = [self._written(node) for node in self._table.nodes if not here.enabled or node.name != here.node]
        return [self._this_machine(), *written] if here.enabled else written

    def _this_machine(self) -> Node:
        """A `[[nodes]]` table with this machine's name adds to what is found here."""
        here = self._table.this_machine
        found = addresses()
        also = next((node for node in self._table.nodes if node.name == here.node), NodeConfig(name=here.node))
        return Node(
            name=here.node,
            provider=self.name,
            tags=tuple(dict.fromkeys((*here.tags, *also.tags))),
            public_addresses=tuple(a for a in found if not _private(a)),
            private_addresses=tuple(dict.fromkeys((*filter(None, [also.address]), *filter(_private, found)))),
            details=self._facts() | also.details,
        )

    def _written(self, node: NodeConfig) -> Node:
        private = not node.address or _private(node.address)
        address = (node.address,) if node.address else ()
        return Node(
            name=node.name,
            provider=self.name,
            tags=node.tags,
            public_addresses=() if private else address,
            private_addresses=address if private else (),
            details=dict(node.details),
        )


def addresses() -> list[str]:
    """Return the addresses of this machine that others can reach: IPv4 before IPv6, no loopback, no link-local."""
    found = []
    for interface in psutil.net_if_addrs().values():
        for one in interface:
            if one.family in (socket.AF_INET, socket.AF_INET6):
                address = ip_address(one.address.partition("%")[0])
                if not (address.is_loopback or address.is_link_local):
                    found.append(address)
    found.sort(key=lambda a: (a.version, int(a)))
    return [str(a) for a in found]


def describe(os_release: Path = Path("/etc/os-release")) -> dict[str, str]:
    """Return what this machine is, in words: system, kernel, architecture, processors, memory."""
    try:
        lines = dict(line.split("=", 1) for line in os_release.read_text().splitlines() if "=" in line)
    except (OSError, UnicodeDecodeError):
        lines = {}
    return {
        "system": lines.get("PRETTY_NAME", platform.system()).strip('"'),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "processors": str(psutil.cpu_count() or 1),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
    }


def _private(address: str) -> bool:
    """Whether an address is of a private network. A name may be anything: it counts as public."""
    try:
        return ip_address(address).is_private
    except ValueError:
        return False
