"""Ports of this machine: is one free, who has it, which is the next that is free."""

import socket
from collections.abc import Callable, Mapping

from ckkit.errors import Taken
from ckkit.up.plan import TITLES

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Say whether a server could listen there now, as servers do: a connection that is just closing does not count."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def any_free() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as trial:
        trial.bind((LOOPBACK, 0))
        return int(trial.getsockname()[1])


def next_free(port: int, free: Callable[[int], bool] = is_free) -> int:
    """
    Return the first free port after this one; past the last, any.

    >>> next_free(8866, free=lambda port: port > 8868)
    8869
    """
    return next((p for p in range(port + 1, 65536) if free(p)), 0)


def owner(port: int) -> str:
    """Return which process listens there, as `process 4711 (voila)`; of another user's only that there is one."""
    import psutil

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


def settle(
    wanted: Mapping[str, int], free: Callable[[int], bool] = is_free, who: Callable[[int], str] = owner
) -> dict[str, int]:
    """
    Return the port of each part; one that asked for 0 gets a free one.

    Raises:
        Taken: a port is in use: by whom, and the option that takes another. Or two parts ask for one port.
    """
    settled: dict[str, int] = {}
    for part, port in wanted.items():
        if port in settled.values():
            other = next(name for name, taken in settled.items() if taken == port)
            raise Taken(
                f"port {port} is asked for by {TITLES[other]} and {TITLES[part]}: "
                f"give one of them another: `./ck up --{part}-port {next_free(port, free)}`"
            )
        if port and not free(port):
            raise Taken(
                f"port {port} for {_the(part)} is taken by {who(port)}: "
                f"stop it, or `./ck up --{part}-port {next_free(port, free)}`",
                port=port,
            )
        settled[part] = port or any_free()
    return settled


def _the(part: str) -> str:
    return TITLES[part] if part == "lab" else f"the {TITLES[part]}"
