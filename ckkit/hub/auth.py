"""
Who asks, and what they may do.

On the unix socket the kernel says which user is at the other end: the hub's own is admin. Everybody else, and everybody
on TCP, shows a token, and has its role. A token that is shown counts, also on the socket: whoever wants less gets it.
"""

import hmac
import pwd
import socket
import struct
from dataclasses import dataclass

from ckkit.errors import Refused, Unauthenticated
from ckkit.home import Home
from ckkit.hub.registry import Caller, Role

_UCRED = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a unix socket."""

    pid: int
    uid: int

    def __str__(self) -> str:
        return f"pid {self.pid}, uid {self.uid}"


def peer_of(connection: socket.socket) -> Peer | None:
    """Return who is at the other end (see unix(7), SO_PEERCRED); None where it is no unix socket."""
    if connection.family != socket.AF_UNIX:
        return None
    pid, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(pid, uid)


class Gate:
    """Knows the tokens of a home; reads them again when their file is another."""

    def __init__(self, home: Home, uid: int) -> None:
        self._home, self._uid = home, uid
        self._stamp: tuple[int, int] | None = None
        self._tokens: dict[str, str] = {}

    def caller(self, peer: Peer | None, address: str, authorization: str | None) -> Caller:
        """
        Return who asks. `address` is the other end of a TCP connection.

        Raises:
            Unauthenticated: no token where one is needed, or one that is none of this home's.
        """
        where = str(peer) if peer else address
        if authorization is None:
            if peer is not None and peer.uid == self._uid:
                return Caller(name=_user(peer.uid), role=Role.ADMIN, peer=where)
            raise Unauthenticated(
                "this needs a token: send the header `Authorization: Bearer TOKEN`, with one of those in the file "
                "tokens.toml of the hub's home"
            )
        kind, _, token = authorization.partition(" ")
        role = self._role(token.strip()) if kind.lower() == "bearer" else None
        if role is None:
            raise Unauthenticated("this token is none of this hub's: take one of the file tokens.toml of its home")
        return Caller(name=_user(peer.uid) if peer else str(role), role=role, peer=where)

    def _role(self, token: str) -> Role | None:
        """The role of a token. All are compared, each in constant time: nothing is told by how long it takes."""
        given = token.encode(errors="surrogateescape")
        found = None
        for role, known in self._known().items():
            if hmac.compare_digest(known.encode(), given):
                found = Role(role)
        return found

    def _known(self) -> dict[str, str]:
        try:
            status = self._home.tokens.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
        except FileNotFoundError:
            stamp = None
        if stamp is None or stamp != self._stamp:
            self._tokens = self._home.all_tokens()
            self._stamp = stamp
        return self._tokens


def must_append(caller: Caller) -> None:
    """Raise Refused where the caller may not append. Roles include those below, but a viewer only looks."""
    if caller.role is Role.VIEWER:
        raise Refused(f"an append needs the role agent, operator or admin, {caller.name} is viewer")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
