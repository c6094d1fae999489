"""Asking the hub: a command's name and payload go out, its reply comes back as records."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ckkit.durations import show_duration
from ckkit.errors import CkkitError, NotFound

if TYPE_CHECKING:
    from ckkit.kit.kit import Kit

T = TypeVar("T")
SHOWN = 8  # names told in a message when none is near


class Namespace:
    """One noun of the kit."""

    def __init__(self, kit: "Kit") -> None:
        self._kit = kit

    def _ask(self, command: str, kind: type[T], **payload: Any) -> T:
        return records(command, self._kit.wire.command(command, plain(payload)), kind)

    def __repr__(self) -> str:
        verbs = ", ".join(sorted(name for name in vars(type(self)) if not name.startswith("_")))
        return f"<kit.{type(self).__name__.lower()}: {verbs}>"


def plain(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload as JSON values: what is None is left out, durations become text (`5m`)."""
    given = {key: show_duration(v) if isinstance(v, timedelta) else v for key, v in payload.items() if v is not None}
    converted: dict[str, Any] = msgspec.to_builtins(given)
    return converted


def records(command: str, reply: Any, kind: type[T]) -> T:
    """Return a reply as `kind`. Raises CkkitError, naming the field, where hub and kit do not agree."""
    try:
        return msgspec.convert(reply, kind, strict=False)
    except msgspec.ValidationError as error:
        raise CkkitError(
            f"the hub's answer to {command} cannot be read here: {error}; "
            "hub and notebook may be of different versions: restart both (`./ck up`)"
        ) from None


def missing(noun: str, name: str, known: Iterable[str]) -> NotFound:
    """Return the error for a name that does not exist, with the nearest that do."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif names:
        hint = f"there are {', '.join(names[:SHOWN])}" + (f" and {len(names) - SHOWN} more" if names[SHOWN:] else "")
    else:
        hint = "there is none yet"
    return NotFound(f"no {noun} {name!r}: {hint}", nearest=near)


def completions(names: Callable[[], Iterable[str]]) -> Sequence[str]:
    """Return what Tab offers: the names in order, or nothing where no hub answers (Tab must not raise)."""
    try:
        return sorted(names())
    except CkkitError:
        return []
