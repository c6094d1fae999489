"""The wire within one process: on a store, and on the hub around it where there is one. The reference of `HttpWire`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ckkit.errors import Refused
from ckkit.model import Event, Receipt

if TYPE_CHECKING:
    import pyarrow as pa

    from ckkit.store import Store


class Asked(Protocol):
    """The part of a hub that this wire needs."""

    def ask(self, name: str, body: bytes) -> bytes:
        """Do a command as the hub itself; takes and returns JSON."""
        ...

    def watch(self, topics: Iterable[str], since: int | None) -> Iterator[Event]: ...


class StoreWire:
    """Safe to use from several threads. Closing it leaves the store open: that belongs to whoever opened it."""

    def __init__(self, store: "Store", hub: Asked | None = None) -> None:
        self._store, self._hub = store, hub

    def read(self, sql: str, params: Mapping[str, Any] | None = None, *, patience_s: float | None = None) -> "pa.Table":
        """Return the rows of one SELECT. Raises SqlError, Refused, TimedOut."""
        import pyarrow as pa

        answer = self._store.read(sql, dict(params or {}) or None, limit_s=patience_s)
        schema = next(answer)
        return pa.Table.from_batches(list(answer), schema)

    def append(self, table: str, data: "pa.Table", *, source: str, boot: str, sequence: int) -> Receipt:
        """Add rows; returns after the commit. The same (source, boot, sequence) twice counts once."""
        return self._store.append(table, data, source=source, boot=boot, sequence=sequence)

    def command(self, name: str, payload: Any = None) -> Any:
        """Do `name` and return its reply as plain JSON values. Raises Refused where there is no hub."""
        return msgspec.json.decode(self._need(name).ask(name, msgspec.json.encode(payload)))

    def watch(self, topics: Iterable[str], since: int | None = None) -> Iterator[Event]:
        """Yield events of the topics as they happen, those after `since` first."""
        return self._need("watching events").watch(topics, since)

    def close(self) -> None:
        return None

    def _need(self, what: str) -> Asked:
        if self._hub is None:
            raise Refused(f"{what} needs a running hub, and this is a store alone: start one with `./ck up`")
        return self._hub
