"""
The wire from another process: HTTP over the hub's unix socket, or over TCP with a token. Standard library, msgspec,
and pyarrow once a table is read.

A call blocks its thread; Ctrl-C closes the connection at once, and the hub stops the query. When the connection breaks,
a call is sent once more: a read changes nothing, an append has its sequence, a command its id. A hub that was started
anew meanwhile cannot know whether the one before it did a command, and says so.
"""

import http.client
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from ckkit.errors import CkkitError, HubUnreachable, TimedOut, from_wire
from ckkit.model import Receipt
from ckkit.wire.endpoint import Connections, Endpoint, endpoint_of
from ckkit.wire.request import ARROW, JSON, Ask, pack
from ckkit.wire.watching import Watch

if TYPE_CHECKING:
    import pyarrow as pa

    from ckkit.home import Home

T = TypeVar("T")
READ_LIMIT_S = 30.0  # a hub's own limit, where it announced none
GRACE_S = 15.0  # beyond a limit that the hub keeps itself, before it is taken for dead
APPEND_S = 120.0
COMMAND_S = 180.0


class HttpWire:
    """Safe to use from several threads: each has a connection of its own."""

    def __init__(
        self,
        *,
        socket: str | Path = "",
        url: str = "",
        token: str = "",
        cafile: str | Path = "",
        read_limit_s: float = READ_LIMIT_S,
    ) -> None:
        self._start(Endpoint(str(socket), url, token, str(cafile)), read_limit_s, "")

    @classmethod
    def connect(cls, home: "Home") -> "HttpWire":
        """Return a wire to the hub of a home. Raises HubUnreachable where none answers."""
        facts = home.part("hub")
        token = home.token() if facts and not facts.get("socket") else ""
        wire = cls.__new__(cls)
        found = facts or {}
        limit = float(found.get("read_limit_s", READ_LIMIT_S))
        wire._start(endpoint_of(home.path, facts, token), limit, str(found.get("boot", "")))
        wire._connections.put_back(wire._connections.take())
        return wire

    def _start(self, endpoint: Endpoint, read_limit_s: float, boot: str) -> None:
        self._endpoint, self._read_limit_s, self._boot = endpoint, read_limit_s, boot
        self._connections = Connections(endpoint)

    def __repr__(self) -> str:
        return f"<HttpWire to {self._endpoint}>"

    def read(self, sql: str, params: Mapping[str, Any] | None = None, *, patience_s: float | None = None) -> "pa.Table":
        """
        Return the rows of one SELECT.

        Raises:
            SqlError: the statement. Refused: it would change something. TimedOut: the hub's limit, or `patience_s`.
            HubUnreachable: nobody answers, also not at a second try.
        """
        body = pack(Ask(sql, params, patience_s))
        patience = min(self._read_limit_s, patience_s or self._read_limit_s) + GRACE_S
        return self._call("POST", "/v1/read", body, _table, patience, {"Content-Type": JSON})

    def append(self, table: str, data: "pa.Table", *, source: str, boot: str, sequence: int) -> Receipt:
        """Add rows; returns after the commit. The same (source, boot, sequence) twice counts once."""
        where = urlencode({"source": source, "boot": boot, "sequence": sequence})
        kind = {"Content-Type": ARROW}
        return self._call("PUT", f"/v1/append/{quote(table)}?{where}", _stream(data), _receipt, APPEND_S, kind)

    def command(self, name: str, payload: Any = None) -> Any:
        """Do `name` and return its reply as plain JSON values. Raises whatever CkkitError the hub raised."""
        body = msgspec.json.encode(payload)
        kind = {"Content-Type": "application/json", "Ckkit-Id": secrets.token_hex(12)}
        return self._call("POST", f"/v1/command/{quote(name)}", body, _json, COMMAND_S, kind)

    def watch(self, topics: Iterable[str], since: int | None = None) -> Watch:
        """
        Yield events of the topics as they happen (`jobs.*` is all topics below), those after `since` first.

        Nothing that happens after this call is missed. When the hub goes away, it waits for it, as long as it takes,
        and goes on where it was. `close`, from any thread, ends it.

        Raises:
            HubUnreachable: nobody answers now.
        """
        return Watch(self._connections, tuple(topics), since)

    def text(self, path: str) -> str:
        """Return the text of a GET: `/healthz`, `/metrics`, `/v1/openapi.json`."""
        return self._call("GET", path, b"", lambda answer: answer.read().decode(), GRACE_S, {})

    def close(self) -> None:
        self._connections.close()

    def _call(
        self,
        method: str,
        path: str,
        body: Any,
        take: Callable[[http.client.HTTPResponse], T],
        patience_s: float,
        headers: Mapping[str, str],
    ) -> T:
        sent = {**self._endpoint.headers, **headers}
        for again in (False, True):
            connection = self._connections.take()
            if again:
                sent["Ckkit-Again"] = self._boot
            try:
                if connection.sock is not None:
                    connection.sock.settimeout(patience_s)
                connection.request(method, path, body, sent)
                answer = connection.getresponse()
                error = None if answer.status < 400 else _error(answer)
                self._boot = answer.headers.get("Ckkit-Boot", self._boot)
                found = None if error else take(answer)
            except CkkitError:
                self._connections.put_back(connection)  # an error that came as a whole answer
                raise
            except TimeoutError:
                connection.close()
                raise TimedOut(f"the hub at {self._endpoint} did not answer {path} within {patience_s:g} s") from None
            except (ConnectionError, http.client.HTTPException) as broken:
                connection.close()
                if again:
                    raise HubUnreachable(
                        f"the hub at {self._endpoint} went away while it was asked ({broken!r}): "
                        f"{self._endpoint.way_out}"
                    ) from None
                continue
            except BaseException:  # Ctrl-C too: the hub sees the end of the connection, and stops
                connection.close()
                raise
            self._connections.put_back(connection)
            if error is not None:
                raise error
            return found  # type: ignore[return-value]  # None only where `take` gave it
        raise AssertionError("a call is tried twice")


def _error(answer: http.client.HTTPResponse) -> CkkitError:
    body = answer.read()
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        document = {"message": f"the hub answered {answer.status} {answer.reason}"}
    return from_wire(document)


def _json(answer: http.client.HTTPResponse) -> Any:
    return msgspec.json.decode(answer.read())


def _receipt(answer: http.client.HTTPResponse) -> Receipt:
    return msgspec.json.decode(answer.read(), type=Receipt)


def _stream(data: "pa.Table") -> Any:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write(data)
    return sink.getvalue()


def _table(answer: http.client.HTTPResponse) -> "pa.Table":
    """Read the rows. An error that came up after the first rows is the metadata of an empty last batch."""
    import pyarrow as pa

    if answer.length is not None:
        return pa.ipc.open_stream(answer.read()).read_all()
    try:
        reader = pa.ipc.open_stream(pa.PythonFile(answer, "r"))
        batches, failed = [], None
        while failed is None:
            try:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
            except StopIteration:
                break
            failed = None if metadata is None else metadata.get("error")
            batches.append(batch)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, TimeoutError | ConnectionError):
            raise
        raise http.client.IncompleteRead(b"") from error
    answer.read()
    if failed is not None:
        raise from_wire(msgspec.json.decode(failed))
    return pa.Table.from_batches(batches, reader.schema)
