"""
The contracts between the layers, one protocol each.

`Wire` is how everybody talks to the hub. `CheckType`, `Provider` and `Notifier`
are the seams: an entry point in the group named beside each, one conformance
suite in `tests/conformance/` that finds every plugin.
"""

from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from ckkit.model import Address, Event, Message, Metric, Node, Outcome, Receipt

if TYPE_CHECKING:
    import msgspec
    import pyarrow as pa


class Wire(Protocol):
    """The four primitives that carry everything. Safe to use from several threads."""

    def read(self, sql: str, params: Mapping[str, Any] | None = None, *, patience_s: float | None = None) -> "pa.Table":
        """Return the rows of one SELECT; `$name` parameters keep their types. Raises SqlError, Refused, TimedOut."""
        ...

    def append(self, table: str, data: "pa.Table", *, source: str, boot: str, sequence: int) -> Receipt:
        """Add rows; returns after the commit. The same (source, boot, sequence) twice counts once."""
        ...

    def command(self, name: str, payload: Any = None) -> Any:
        """Do `name` and return its reply as plain JSON values."""
        ...

    def watch(self, topics: Iterable[str], since: int | None = None) -> Iterator[Event]:
        """Yield events as they happen, from after `since`; ends when closed. Reconnects by itself."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class CheckType(Protocol):
    """
    One kind of check. Entry point group `ckkit.checks`, the name is `name`. Instances are made once, without arguments.

    `run` may be a coroutine function (network) or a plain function (blocking: it runs off the loop, in a thread).
    It returns an Outcome or raises CheckFailed with the reason; any other exception is a bug of the check, and also
    becomes a result with state `err`. The runner holds it to the check's timeout. A type that holds something open has
    a coroutine `close()`, called in the loop where its checks ran.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    Params: ClassVar[type["msgspec.Struct"]]
    metrics: ClassVar[tuple[Metric, ...]]
    local: ClassVar[bool]
    """True: measures the machine it runs on. False: looks at `node.address` from outside."""

    def instances(self) -> Sequence[str]:
        """Return what this machine has of it (mount points, interfaces): empty strings for one without a name."""
        ...

    def run(self, node: Node, params: Any, instance: str, timeout_s: float) -> Outcome | Awaitable[Outcome]: ...


@runtime_checkable
class Provider(Protocol):
    """
    Where nodes come from. Entry point group `ckkit.providers`. Made with its name and its table of ckkit.toml
    (without `type`): `kind(name, table)` raises ConfigError where the table is wrong. Blocking.
    """

    name: str

    def nodes(self) -> Sequence[Node]:
        """Return every node that exists now. Raises CkkitError when it cannot say: then nothing is changed."""
        ...


@runtime_checkable
class Notifier(Protocol):
    """How a message reaches people. Entry point group `ckkit.notifiers`. Blocking; held to the address's timeout."""

    name: ClassVar[str]

    def send(self, message: Message, address: Address) -> str:
        """Deliver, and return the answer in one line. Raises DeliveryFailed; never shows the address's URL."""
        ...
