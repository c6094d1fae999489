"""
The registry of commands: what the hub can be asked to do.

A command is a function with a typed payload, a role and a line in the audit. The
wire, the OpenAPI document and the command line are projections of it.

    class ListNodes(msgspec.Struct, forbid_unknown_fields=True):
        query: str = "*"

    @command("nodes.list", role=Role.VIEWER)
    def list_nodes(hub: Hub, ask: ListNodes, caller: Caller) -> list[Node]:
        "Return the nodes of a query, by name."

Commands run in a pool of threads of their own; they return records or plain JSON values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import msgspec

from ckkit.errors import Invalid, NotFound, Refused

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


class Role(StrEnum):
    """What a caller may do; each includes those above it. `agent` may only append."""

    AGENT = "agent"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


_RANK = list(Role)
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: a name for the audit, a role, and from where (`uid 1000 pid 4711`, an address)."""

    name: str
    role: Role
    peer: str = ""

    def must_be(self, role: Role, what: str) -> None:
        if _RANK.index(self.role) < _RANK.index(role):
            raise Refused(f"{what} needs the role {role}, {self.name} is {self.role}: ask an admin for such a token")


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The payload of a command that takes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    name: str
    role: Role
    payload: type[msgspec.Struct]
    run: Callable[["Hub", Any, Caller], Any]
    help: str
    writes: bool
    reply: Any


COMMANDS: dict[str, Command] = {}


def command(name: str, *, role: Role = Role.VIEWER, writes: bool | None = None) -> Callable[[F], F]:
    """
    Register a function as the command `name` (`<noun>.<verb>`).

    `writes` says whether it is audited; by default every command above the role viewer is.
    """

    def register(function: F) -> F:
        hints = get_type_hints(function, localns={"Hub": Any})
        COMMANDS[name] = Command(
            name=name,
            role=role,
            payload=hints["ask"],
            run=function,
            help=(function.__doc__ or "").strip(),
            writes=role is not Role.VIEWER if writes is None else writes,
            reply=hints.get("return", Any),
        )
        return function

    return register


def find(name: str) -> Command:
    """Return the command of that name, or raise NotFound with the nearest names."""
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else f"; there are {', '.join(sorted(COMMANDS))}"
        raise NotFound(f"no command {name!r}{hint}", nearest=near)
    return COMMANDS[name]


def payload_of(known: Command, body: bytes) -> msgspec.Struct:
    """Decode a JSON body into the command's payload. Raises Invalid, naming the wrong field."""
    try:
        return msgspec.json.decode(body if body.strip() not in (b"", b"null") else b"{}", type=known.payload)
    except msgspec.DecodeError as error:
        fields = ", ".join(known.payload.__struct_fields__) or "nothing"
        raise Invalid(f"{known.name}: {error}; it takes {fields}") from None
