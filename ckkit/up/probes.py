"""
Is a part healthy? One short question, by what its plan says:

    unix:/run/…/x.sock:/healthz    HTTP over a unix socket: healthy when the answer is 200
    http://127.0.0.1:8866/         HTTP: healthy when there is any answer below 500 (a page may ask for a token)
    announced:runner               home/run/runner.json names the process, and the time `beat` in it, if any, is young

A plain socket is enough for that, and keeps the supervisor small.
"""

import socket
import time
from collections.abc import Callable
from datetime import datetime

from ckkit.home import Home

PATIENCE_S = 1.0
OLDEST_BEAT_S = 60.0


def healthy(probe: str, pid: int, home: Home, clock: Callable[[], float] = time.time) -> bool:
    """Ask the part once; waits for at most a second."""
    kind, _, rest = probe.partition(":")
    if kind == "announced":
        return _announced(rest, pid, home, clock())
    if kind == "unix":
        path, _, target = rest.rpartition(":")
        return _status(socket.AF_UNIX, path, target) == 200
    host, _, target = rest.removeprefix("//").partition("/")
    name, _, port = host.partition(":")
    status = _status(socket.AF_INET, (name, int(port)), f"/{target}", host)
    return status is not None and status < 500


def _announced(name: str, pid: int, home: Home, now: float) -> bool:
    facts = home.part(name)
    if facts is None or facts.get("pid") != pid:
        return False
    beat = facts.get("beat")
    return beat is None or abs(now - datetime.fromisoformat(beat).timestamp()) <= OLDEST_BEAT_S


def _status(family: int, address: str | tuple[str, int], target: str, host: str = "localhost") -> int | None:
    """Return the status of a GET, or None where nobody answers in time."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(address)
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return parse_status(connection.recv(64))
    except (OSError, ValueError):
        return None


def parse_status(answer: bytes) -> int:
    """
    Read the status of an HTTP answer. Raises ValueError where it is none.

    >>> parse_status(b"HTTP/1.1 302 Found")
    302
    """
    version, _, rest = answer.partition(b" ")
    if not version.startswith(b"HTTP/"):
        raise ValueError("not HTTP")
    return int(rest[:3])
