"""What the doctor finds: each question with its world as an argument."""

import os
import socket
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError

import pytest

from ckkit.home import Home
from ckkit.up import doctor, state
from ckkit.up.processes import Identity, identify
from ckkit.up.state import PartState


@pytest.fixture
def home(tmp_path):
    return Home.find({"CKKIT_HOME": str(tmp_path / "home")})


def test_the_python(home):
    assert doctor.python((3, 11, 2), "/v").level == "ok"
    old = doctor.python((3, 9, 2), "/v")
    assert (old.level, old.said) == ("err", "3.9.2 in /v")
    assert "3.11 or newer" in old.todo


@pytest.mark.parametrize(
    ("installed", "level", "said"),
    [
        ({"aiohttp": "3.14.5", "yarl": "1.25"}, "ok", "2 as in requirements.lock"),
        ({"aiohttp": "3.14.4", "yarl": "1.25"}, "warn", "aiohttp 3.14.4 instead of 3.14.5"),
        ({"aiohttp": "3.14.5"}, "warn", "missing: yarl"),
    ],
)
def test_the_packages(tmp_path, installed, level, said):
    lock = tmp_path / "requirements.lock"
    lock.write_text("aiohttp==3.14.5 \\\n    --hash=sha256:0\nyarl==1.25 \\\nwin==1 ; os_name == 'nt' \\\n")

    def version(name):
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    found = doctor.packages(lock, version)
    assert (found.level, found.said) == (level, said)


def test_without_a_lock_there_is_nothing_to_compare(tmp_path):
    assert doctor.packages(tmp_path / "none").level == "ok"


def test_the_rights_of_the_home(home):
    assert doctor.home_rights(home).level == "ok"
    home.tokens.chmod(0o640)
    assert "chmod 600" in doctor.home_rights(home).said
    home.tokens.chmod(0o600)
    home.path.chmod(0o755)
    found = doctor.home_rights(home)
    assert (found.level, found.todo) == ("err", f"chmod 700 {home.path}")


@pytest.mark.parametrize(("free", "level"), [(10 << 30, "ok"), (1 << 30, "warn"), (100 << 20, "err"), (0, "err")])
def test_the_disk(tmp_path, free, level):
    assert doctor.disk_space(tmp_path, free).level == level


def test_the_workspace(tmp_path):
    env = {"CKKIT_WORKSPACE": str(tmp_path)}
    assert "ckkit init" in doctor.workspace(env).said
    (tmp_path / "ckkit.toml").write_text("[hub]\nprot = 1\n")
    found = doctor.workspace(env)
    assert found.level == "err"
    assert "ckkit.toml:2: there is no key 'prot': did you mean 'port'?" in found.said
    (tmp_path / "ckkit.toml").write_text('[[nodes]]\nname = "web0"\n')
    assert doctor.workspace(env).said == f"{tmp_path}: 1 nodes, 0 checks written down"


def test_the_ports(home, tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        toml = f"[hub]\nport = {port}\n[lab]\nport = 0\n[dashboards]\nport = 0\n"
        (tmp_path / "ckkit.toml").write_text(toml)
        env = {"CKKIT_WORKSPACE": str(tmp_path)}
        found = doctor.taken_ports(home, env)
    assert found.level == "err"
    assert f"port {port} for the hub is taken by process {os.getpid()}" in found.said
    assert doctor.taken_ports(home, env).level == "ok"


@pytest.mark.parametrize(
    ("groups", "binary", "level", "said"),
    [
        ("0 2147483647", None, "ok", "sockets"),
        ("100 200", None, "ok", "sockets"),
        ("1 0", "/bin/ping", "ok", "through /bin/ping"),  # the kernel's default: nobody
        ("1 0", None, "warn", "neither"),
        ("", None, "warn", "neither"),
    ],
)
def test_ping(tmp_path, groups, binary, level, said):
    path = tmp_path / "sys/net/ipv4/ping_group_range"
    path.parent.mkdir(parents=True)
    path.write_text(groups)
    found = doctor.ping(tmp_path, [150], binary)
    assert found.level == level
    assert said in found.said


@pytest.mark.parametrize(("synchronised", "level"), [(True, "ok"), (None, "ok"), (False, "warn")])
def test_the_clock(synchronised, level):
    assert doctor.clock(synchronised, "Etc/UTC").level == level


@pytest.mark.parametrize(
    ("newest", "level", "said"),
    [
        (None, "warn", "none yet"),
        (999.0, "ok", "the newest is 1 s old"),
        (1001.5, "ok", "the newest is 0 s old"),  # a slot that has only just begun
        (1060.0, "err", "60 s in the future"),  # the clock was set back
        (600.0, "warn", "the newest is 400 s old"),
    ],
)
def test_the_newest_result(newest, level, said):
    found = doctor.results(newest, 1000.0)
    assert found.level == level
    assert said in found.said


def test_what_this_machine_says_of_its_clock():
    assert doctor.synchronised() in (True, False, None)
    assert "UTC" in doctor.zone()


def test_what_runs(home):
    assert doctor.lock(home).said == "nothing runs; nothing is left over"
    here = announce(home, identify(os.getpid()), code=state.code())
    assert doctor.lock(home).level == "ok"
    announce(home, here, code="old")
    assert doctor.lock(home).todo == "`./ck down && ./ck up`"
    announce(home, Identity(os.getpid(), 1), part=here)
    assert f"there is still hub ({os.getpid()})" in doctor.lock(home).said


def announce(home, who, code="x", part=None):
    parts = (PartState(name="hub", title="hub", who=part),) if part else ()
    up = state.UpState(
        who=who, state="ready", started=datetime.now(UTC), version="1", code=code, workspace="/w", parts=parts
    )
    state.announce(home, up)
    return who


def test_loopback():
    assert doctor.host_name().level == "ok"

    def fails(name):
        raise OSError("Name or service not known")

    assert doctor.host_name(fails).level == "err"
