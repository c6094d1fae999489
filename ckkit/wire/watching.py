"""
Events as they happen, over HTTP: server-sent events (see the HTML standard, "Server-sent events").

    id: 4711
    data: {"seq":4711,"ts":"…","topic":"transitions","scope":"","source":"","payload":{…}}

An `id` without data says where the log stood when the watch began, so that a watch which has heard nothing yet
resumes there. Events that are not stored (seq 0) have no `id`, and are not repeated.
"""

import http.client
import random
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import msgspec

from ckkit.errors import CkkitError, HubUnreachable, from_wire
from ckkit.model import Event
from ckkit.wire.endpoint import Connection, Connections, cut

SILENCE_S = 45.0  # the hub says something every 15 s
PATIENCE_S = (0.1, 0.3, 1.0, 2.0, 5.0)


class Watch(Iterator[Event]):
    """An iterator of events. It belongs to the thread that iterates; `close` is for every thread."""

    def __init__(
        self,
        connections: Connections,
        topics: tuple[str, ...],
        since: int | None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.since = since
        self._connections, self._topics, self._jitter = connections, topics, jitter
        self._closed = threading.Event()
        self._connection: Connection | None = None
        self._answer: http.client.HTTPResponse | None = None
        self._connect()

    @property
    def connected(self) -> bool:
        """Whether the hub is heard just now; where it is not, the iteration tries again and again."""
        return self._answer is not None

    def __iter__(self) -> "Watch":
        return self

    def __next__(self) -> Event:
        tries = 0
        while not (self._closed.is_set() or self._connections.closed):
            try:
                if self._answer is None:
                    self._connect()
                return self._read()
            except (OSError, http.client.HTTPException, HubUnreachable):
                self._drop()
            except BaseException:
                self.close()
                raise
            pause = PATIENCE_S[min(tries, len(PATIENCE_S) - 1)]
            self._closed.wait(pause * (0.5 + self._jitter()))
            tries += 1
        self._drop()
        raise StopIteration

    def close(self) -> None:
        """End it: whoever waits for the next event gets StopIteration. May be called twice."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            cut(connection)

    def _connect(self) -> None:
        ask: dict[str, str | int] = {"topics": ",".join(self._topics)}
        if self.since is not None:
            ask["since"] = self.since
        connection = self._connections.new()
        try:
            if connection.sock is not None:
                connection.sock.settimeout(SILENCE_S)
            connection.request("GET", f"/v1/watch?{urlencode(ask)}", headers=self._connections.endpoint.headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise _refusal(answer)
        except BaseException:
            connection.close()
            raise
        self._connection, self._answer = connection, answer
        if self._closed.is_set():
            cut(connection)

    def _read(self) -> Event:
        """Return the next event. Raises OSError or HTTPException at the connection's end."""
        assert self._answer is not None
        seq, data = None, b""
        while line := self._answer.readline():
            line = line.rstrip(b"\r\n")
            if line.startswith(b"id:"):
                seq = int(line[3:])
            elif line.startswith(b"data:"):
                data += line[5:].strip()
            elif not line:
                if seq is not None:
                    self.since = seq
                if data:
                    return msgspec.json.decode(data, type=Event)
        raise http.client.RemoteDisconnected("the hub ended the watch")

    def _drop(self) -> None:
        connection, self._connection, self._answer = self._connection, None, None
        if connection is not None:
            connection.close()


def _refusal(answer: http.client.HTTPResponse) -> CkkitError:
    try:
        return from_wire(msgspec.json.decode(answer.read(), type=dict[str, object]))
    except msgspec.DecodeError:
        return HubUnreachable(f"the hub answered {answer.status} to a watch")
