"""Where a hub answers: a unix socket of this machine, or a URL with a token; and a connection to it, one a thread."""

import http.client
import os
import select
import socket
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ckkit.errors import HubUnreachable, Invalid

TLS_NAME = "hub.ckkit"  # the one name in a hub's certificate, which clients hold: it is pinned, not looked up
CONNECT_S = 5.0


class Connection(http.client.HTTPConnection):
    """HTTP over TCP. One that nobody holds any more closes: its thread has ended, or its wire."""

    def __del__(self) -> None:
        self.close()


class UnixConnection(Connection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class TlsConnection(Connection):
    """HTTP over TLS to a hub whose own certificate is the only authority."""

    def __init__(self, host: str, port: int, context: Any, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._context = context

    def connect(self) -> None:
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=TLS_NAME)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a hub. The token has no part in the repr. `way_out` is said when nobody answers there."""

    socket: str = ""
    url: str = ""
    token: str = field(default="", repr=False)
    cafile: str = ""
    way_out: str = "is the hub running? `./ck up` starts it"

    def __post_init__(self) -> None:
        if bool(self.socket) == bool(self.url):
            raise Invalid("a wire needs either the path of the hub's socket or its URL")
        if self.url and urlsplit(self.url).scheme not in ("http", "https"):
            raise Invalid(f"the hub's URL {self.url!r} must begin with http:// or https://")

    def __str__(self) -> str:
        return self.socket or self.url

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def open(self) -> Connection:
        """Return a new connection. Raises HubUnreachable."""
        connection = self._make()
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            why = error.strerror or str(error)
            raise HubUnreachable(f"no hub answers at {self} ({why}): {self.way_out}") from None
        return connection

    def _make(self) -> Connection:
        if self.socket:
            return UnixConnection(self.socket, CONNECT_S)
        parts = urlsplit(self.url)
        host, port = parts.hostname or "127.0.0.1", parts.port
        if parts.scheme == "http":
            return Connection(host, port or 80, timeout=CONNECT_S)
        import ssl

        try:
            context = ssl.create_default_context(cafile=self.cafile or None)
        except OSError as error:
            raise Invalid(f"the hub's certificate {self.cafile} cannot be read: {error.strerror or error}") from None
        return TlsConnection(host, port or 443, context, CONNECT_S)


def endpoint_of(home_path: Path, facts: dict[str, Any] | None, token: str) -> Endpoint:
    """
    Return where the hub of a home answers, by what it announced: its socket, else its URL.

    Raises:
        HubUnreachable: it announced nothing: no hub runs for this home.
    """
    way_out = f"start it with `./ck up` (its log: `ckkit logs hub`); the home is {home_path}"
    if facts is None:
        raise HubUnreachable(f"no hub runs for the home {home_path}: start it with `./ck up`")
    if path := facts.get("socket"):
        return Endpoint(socket=str(path), way_out=way_out)
    return Endpoint(url=str(facts.get("url")), token=token, way_out=way_out)


class Connections:
    """
    A connection for each thread, kept between calls.

    One is put back only after a whole answer: whatever ends a call in its midst (an error, Ctrl-C) closes it, and the
    hub sees that and stops what it was doing. One that was made before a fork is the parent's, and left to it.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._mine = threading.local()
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> Connection:
        """Return this thread's connection, made anew where it has none that lives. Raises HubUnreachable."""
        pid, kept = getattr(self._mine, "kept", (0, None))
        self._mine.kept = (0, None)
        if kept is not None and pid == os.getpid():
            if _lives(kept):
                return kept  # type: ignore[no-any-return]  # a thread's own attribute has no type
            kept.close()
        return self.new()

    @property
    def closed(self) -> bool:
        return self._closed

    def new(self) -> Connection:
        """Return a connection that belongs to no thread, but ends with `close`."""
        if self._closed:
            raise HubUnreachable("this wire is closed: open another")
        connection = self.endpoint.open()
        with self._lock:
            self._all.add(connection)
        return connection

    def put_back(self, connection: Connection) -> None:
        self._mine.kept = (os.getpid(), connection)

    def close(self) -> None:
        """End every connection, also those that other threads wait on."""
        self._closed = True
        with self._lock:
            found = list(self._all)
        for connection in found:
            cut(connection)
        self._mine.kept = (0, None)


def cut(connection: Connection) -> None:
    """End a connection although another thread may be reading from it: that one sees its end."""
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already


def _lives(connection: Connection) -> bool:
    """Between two calls nothing is to be read: if something is, it is the other end's goodbye."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN | select.POLLHUP)
    return not poll.poll(0)
