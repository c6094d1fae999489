"""
Where the hub listens: a unix socket that only its user reaches, and a TCP port of the loopback.

The sockets are bound before the work begins, so that a port which is taken is said at once. An old socket file is
removed without asking: whoever comes here holds the lock of the home's store, so no other hub is behind it.
"""

import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

from ckkit.errors import ConfigError, Taken
from ckkit.home import SOCKET_PATH_LIMIT

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Doors:
    """Two bound sockets. `close` closes them and removes the socket's file."""

    unix: socket.socket
    tcp: socket.socket
    path: Path

    @classmethod
    def bind(cls, path: Path, port: int) -> "Doors":
        """
        Bind them; port 0 takes any that is free.

        Raises:
            Taken: the port is in use: by whom, and the way out.
            ConfigError: the socket's file cannot be made.
        """
        unix = _unix(path)
        try:
            return cls(unix, _tcp(port), path)
        except BaseException:
            unix.close()
            path.unlink(missing_ok=True)
            raise

    @property
    def port(self) -> int:
        return int(self.tcp.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def close(self) -> None:
        self.unix.close()
        self.tcp.close()
        self.path.unlink(missing_ok=True)


def _unix(path: Path) -> socket.socket:
    if len(bytes(path)) > SOCKET_PATH_LIMIT:
        raise ConfigError(f"the socket {path} has more than {SOCKET_PATH_LIMIT} bytes: set XDG_RUNTIME_DIR to less")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        made.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        made.close()
        raise ConfigError(f"the hub's socket {path} cannot be made ({error.strerror}): set XDG_RUNTIME_DIR") from None
    return made


def _tcp(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((LOOPBACK, port))
    except OSError as error:
        made.close()
        if port == 0 or isinstance(error, PermissionError):
            raise ConfigError(f"the hub cannot listen on port {port} ({error.strerror}): set `port` in [hub]") from None
        raise Taken(
            f"port {port} for the hub is taken by {owner(port)}: stop it, or set another `port` in [hub] of ckkit.toml",
            port=port,
        ) from None
    return made


def owner(port: int) -> str:
    """Return which process listens on a port, as `process 4711 (voila)`; of another user's only that there is one."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        connections = []
    for one in connections:
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
            try:
                return f"process {one.pid} ({psutil.Process(one.pid).name()})"
            except psutil.Error:
                return f"process {one.pid}"
    return "a process of another user"
