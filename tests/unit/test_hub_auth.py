"""Who asks, and what they may do: the peer of a socket, tokens, roles."""

import os
import socket
from pathlib import Path

import pytest

from ckkit.config import Home
from ckkit.errors import CkkitError, Refused, Unauthenticated
from ckkit.hub.auth import Gate, Peer, must_append, peer_of
from ckkit.hub.registry import Caller, Role

UID = os.getuid()
OWN, OTHER = Peer(pid=4711, uid=UID), Peer(pid=4712, uid=UID + 1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.find({"CKKIT_HOME": str(tmp_path)})
    made.all_tokens()
    return made


@pytest.fixture
def gate(home: Home) -> Gate:
    return Gate(home, UID)


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours) == Peer(os.getpid(), UID)
    with socket.socket(socket.AF_INET) as tcp:
        assert peer_of(tcp) is None


def test_the_hubs_own_user_is_admin_on_the_socket(gate: Gate) -> None:
    caller = gate.caller(OWN, "", None)
    assert (caller.role, caller.peer) == (Role.ADMIN, f"pid 4711, uid {UID}")


@pytest.mark.parametrize("peer", [None, OTHER])
def test_everybody_else_needs_a_token(gate: Gate, peer: Peer | None) -> None:
    with pytest.raises(Unauthenticated, match=r"needs a token: .*tokens\.toml"):
        gate.caller(peer, "127.0.0.1:5", None)


@pytest.mark.parametrize("role", ["admin", "operator", "viewer", "agent"])
@pytest.mark.parametrize("peer", [None, OWN, OTHER])
def test_a_token_gives_its_role_also_where_none_is_needed(gate: Gate, home: Home, role: str, peer: Peer | None) -> None:
    assert gate.caller(peer, "127.0.0.1:5", f"Bearer {home.token(role)}").role == role


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer ", "Bearer wrong", "Bearer wröng", "Basic YWRtaW4=", "wrong"])
@pytest.mark.parametrize("peer", [None, OWN])
def test_a_wrong_token_is_refused_and_not_repeated(gate: Gate, sent: str, peer: Peer | None) -> None:
    with pytest.raises(Unauthenticated) as error:
        gate.caller(peer, "127.0.0.1:5", sent)
    assert "wr" not in error.value.message.replace("write", "")


def test_new_tokens_count_at_once_and_old_ones_no_more(gate: Gate, home: Home) -> None:
    old = home.token("viewer")
    gate.caller(None, "x", f"Bearer {old}")
    home.tokens.unlink()
    new = home.token("viewer")
    assert gate.caller(None, "x", f"Bearer {new}").role is Role.VIEWER
    with pytest.raises(Unauthenticated):
        gate.caller(None, "x", f"Bearer {old}")


def test_a_token_file_that_others_can_read_lets_nobody_in(gate: Gate, home: Home) -> None:
    token = home.token("admin")
    home.tokens.chmod(0o644)
    os.utime(home.tokens, (1, 1))
    with pytest.raises(CkkitError, match="chmod 600"):
        gate.caller(None, "x", f"Bearer {token}")


@pytest.mark.parametrize(("role", "may"), [("agent", True), ("viewer", False), ("operator", True), ("admin", True)])
def test_who_may_append(role: str, may: bool) -> None:
    caller = Caller(name="x", role=Role(role))
    if may:
        must_append(caller)
    else:
        with pytest.raises(Refused, match="viewer"):
            must_append(caller)
