"""Is a part healthy: each kind of probe against a real answerer."""

import contextlib
import os
import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest

from ckkit.home import Home
from ckkit.up import ports
from ckkit.up.probes import healthy


@contextlib.contextmanager
def answering(family, address, answer):
    """Answer one connection with these bytes."""
    with socket.socket(family) as server:
        server.bind(address)
        server.listen()

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()
        thread.join(5)


@pytest.fixture
def home(tmp_path):
    return Home.find({"CKKIT_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 302 Found\r\n\r\n", True),  # it asks for a token
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", True),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH\r\n", False),
        (b"", False),
    ],
)
def test_over_tcp(home, answer, well):
    with answering(socket.AF_INET, ("127.0.0.1", 0), answer) as (_, port):
        assert healthy(f"http://127.0.0.1:{port}/api", 1, home) is well


@pytest.mark.parametrize(("answer", "well"), [(b"HTTP/1.1 200 OK\r\n", True), (b"HTTP/1.1 503 Busy\r\n", False)])
def test_over_a_unix_socket(home, tmp_path, answer, well):
    with answering(socket.AF_UNIX, str(tmp_path / "s"), answer):
        assert healthy(f"unix:{tmp_path}/s:/healthz", 1, home) is well


def test_nobody_there(home, tmp_path):
    assert not healthy(f"http://127.0.0.1:{ports.any_free()}/", 1, home)
    assert not healthy(f"unix:{tmp_path}/none:/healthz", 1, home)


NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "well"),
    [
        ({}, True),  # it says nothing of a beat: that it announced itself is enough
        ({"beat": NOW - timedelta(seconds=5)}, True),
        ({"beat": NOW - timedelta(seconds=61)}, False),
        ({"beat": NOW + timedelta(days=1)}, False),  # the clock was set back: it will beat again soon
        ({"pid": 1}, False),  # that of the one before it
    ],
)
def test_announced(home, facts, well):
    home.announce("runner", **{key: v.isoformat() if key == "beat" else v for key, v in facts.items()})
    assert healthy("announced:runner", os.getpid(), home, clock=NOW.timestamp) is well


def test_not_announced(home):
    assert not healthy("announced:runner", os.getpid(), home)
