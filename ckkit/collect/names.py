"""
Names of hosts → addresses, off the loop.

The system's resolver blocks, for half a minute where a name server is away. It is
asked in threads of its own, that are left behind when a check's time is over, so that
a bad name server holds up neither the loop nor the checks of this machine.
"""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from ckkit.collect.threads import Threads
from ckkit.errors import CheckFailed


@dataclass(frozen=True, slots=True)
class Found:
    """An address of a host. `sockaddr` is what `socket.connect` takes; `text` what people read."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]

    @property
    def text(self) -> str:
        return str(self.sockaddr[0])


class Names:
    """Looks names up; one a process or check type. Addresses given as numbers need no look-up."""

    def __init__(self, threads: int = 16) -> None:
        self._threads = Threads(threads, name="ckkit-names")

    async def look_up(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[Found]:
        """Return the addresses of a host in the order of preference. Raises socket.gaierror; see `unknown`."""
        try:
            return _addresses(host, port, family, socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass
        call = self._threads.submit(lambda: _addresses(host, port, family, socket.AI_ADDRCONFIG))
        try:
            return await asyncio.wrap_future(call)
        finally:
            self._threads.abandon(call)

    async def find(self, host: str, port: int = 0) -> list[Found]:
        """Return the addresses of a host. Raises CheckFailed telling what is wrong with its name."""
        try:
            return await self.look_up(host, port)
        except (OSError, UnicodeError) as error:
            raise CheckFailed(unknown(host, error)) from None

    def close(self) -> None:
        self._threads.close()


def unknown(host: str, error: BaseException) -> str:
    """
    Return what is said when a name has no address.

    >>> unknown("web9", socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    "unknown name: 'web9' has no address (Name or service not known)"
    """
    said = getattr(error, "strerror", None) or str(error)
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return f"unknown name: no name server answers for {host!r} ({said})"
    return f"unknown name: {host!r} has no address ({said})"


def _addresses(host: str, port: int, family: int, flags: int) -> list[Found]:
    infos = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags)
    return [Found(family, (str(to[0]), int(to[1]), *to[2:])) for family, _, _, _, to in infos]


class Resolver(AbstractResolver):
    """`Names` in the shape that aiohttp asks for."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=found.text,
                port=port,
                family=found.family,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found in await self._names.look_up(host, port, family)
        ]

    async def close(self) -> None:
        """Nothing is held open."""
