"""The home: rights, sockets' paths, tokens, what parts announce."""

import os
import stat
import threading

import pytest

from ckkit.errors import ConfigError, Refused
from ckkit.home import SOCKET_PATH_LIMIT, Home


def test_a_home_is_made_for_its_owner_alone(tmp_path):
    home = Home.find({"CKKIT_HOME": str(tmp_path / "h")})
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert home.store.parent.is_dir()


def test_a_long_home_has_a_short_socket_path(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    home = Home.find({"CKKIT_HOME": str(tmp_path / ("x" * 60) / ("y" * 60) / ("z" * 60))})
    assert len(bytes(home.path)) > SOCKET_PATH_LIMIT
    assert len(bytes(home.socket())) <= SOCKET_PATH_LIMIT
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.path))
    assert len(bytes(home.socket())) <= SOCKET_PATH_LIMIT


def test_two_homes_have_two_sockets(tmp_path):
    assert Home(tmp_path / "a").socket() != Home(tmp_path / "b").socket()


def test_a_home_that_is_a_file_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written .* set CKKIT_HOME"):
        Home.find({"CKKIT_HOME": str(tmp_path / "file" / "home")})


def test_tokens_are_made_once_also_by_many_at_once(tmp_path):
    home = Home.find({"CKKIT_HOME": str(tmp_path)})
    seen: set[str] = set()
    threads = [threading.Thread(target=lambda: seen.add(home.token("admin"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 1
    assert len(set(home.all_tokens().values())) == 4
    assert stat.S_IMODE(home.tokens.stat().st_mode) == 0o600


def test_tokens_that_others_can_read_are_refused(tmp_path):
    home = Home.find({"CKKIT_HOME": str(tmp_path)})
    home.token()
    home.tokens.chmod(0o644)
    with pytest.raises(Refused, match="chmod 600"):
        home.token()


def test_what_a_part_announces_is_withdrawn_by_itself_only(tmp_path):
    home = Home.find({"CKKIT_HOME": str(tmp_path)})
    assert home.part("hub") is None
    home.announce("hub", url="http://127.0.0.1:1")
    assert home.part("hub") == {"pid": os.getpid(), "url": "http://127.0.0.1:1"}
    home.announce("hub", pid=1)
    home.withdraw("hub")
    assert home.part("hub") is not None
    home.announce("hub")
    home.withdraw("hub")
    assert home.part("hub") is None
