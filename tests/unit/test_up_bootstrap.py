"""
`./ck`, the bootstrap: what it does in which order, when it does nothing, what it says when something is missing.

It fetches packages, which a test may not depend on: so its python is a program of the test here, which notes what it
is asked for. That the real set-up works is seen by whoever runs these tests: `./ck test` has just done it.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAKE = """\
#!/bin/sh
echo "$0 $*" >>"$ASKED"
case "$*" in
    -V) echo "Python ${FAKE_VERSION:-3.11.2}" ;;
    *version_info*sys.exit* | *sys.exit*version_info*) [ "${FAKE_VERSION:-3.11.2}" = 3.11.2 ] ;;
    *version_info*) echo 3.11 ;;
    *ensurepip*) [ -z "${FAKE_NO_VENV-}" ] ;;
    "-m venv "*)
        sleep "${FAKE_SLOW:-0}"
        mkdir -p "$3/bin" && cp "$0" "$3/bin/python"
        echo "#!$3/bin/python" >"$3/bin/pip"
        ;;
    *"import pip"*) ;;
    *"pip install uv"*) exit 1 ;;
    *"pip install"*)
        [ -z "${FAKE_OFFLINE-}" ] || { echo "Temporary failure in name resolution"; exit 1; }
        [ -z "${FAKE_BROKEN-}" ] || { echo "error: hash mismatch"; exit 1; }
        ;;
    *ckkit.cli*) echo "ckkit got: $*, called $CKKIT_COMMAND" ;;
    *pytest*) echo "pytest got: $* in $(pwd)" ;;
    *) exit 99 ;;
esac
"""


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with ./ck, and a python of the test's that writes down what it was asked."""
    root = tmp_path / "a clone"
    root.mkdir()
    shutil.copy(ROOT / "ck", root)
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "requirements.lock").write_text("aiohttp==1 \\\n    --hash=sha256:0\nyarl==2 \\\n    --hash=sha256:0\n")
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(FAKE)
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{python.parent}:/usr/bin:/bin")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    monkeypatch.delenv("PYTHON", raising=False)
    return root


def ck(root, *words, **env):
    return subprocess.run(
        ["./ck", *words], cwd=root, env={**os.environ, **env}, capture_output=True, text=True, timeout=60
    )


def asked(tmp_path):
    """What python was asked since the last look."""
    path = tmp_path / "asked"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_the_first_time_it_sets_up_in_four_steps_and_then_runs_ckkit(clone, tmp_path):
    ran = ck(clone, "up", "--detach")
    assert ran.returncode == 0
    assert ran.stdout == "ckkit got: -P -m ckkit.cli up --detach, called ./ck\n"
    steps = [line.split(" …")[0] for line in ran.stderr.splitlines()[1:]]
    assert steps == [
        "ck: 1/4 virtual environment",
        "ck: 2/4 uv, which fetches packages",
        "ck: 3/4 2 packages of requirements.lock",
        "ck: 4/4 ckkit itself",
    ]
    installs = [line.split("pip ", 1)[1] for line in asked(tmp_path) if "pip install" in line]
    lock = clone / "requirements.lock"
    assert installs == ["install uv", f"install --require-hashes -r {lock}", f"install --no-deps -e {clone}"]


def test_the_second_time_it_costs_milliseconds_and_says_nothing(clone, tmp_path):
    ck(clone)
    asked(tmp_path)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        ran = ck(clone, "status")
        took.append(time.perf_counter() - began)
    assert ran.stderr == ""
    assert len(asked(tmp_path)) == 5  # python was started for ckkit only
    assert min(took) < 0.5


@pytest.mark.parametrize("file", ["pyproject.toml", "requirements.lock"])
def test_after_an_upgrade_it_installs_again_into_the_same_environment(clone, tmp_path, file):
    ck(clone)
    asked(tmp_path)
    with (clone / file).open("a") as changed:
        changed.write("# new\n")
    assert "4/4 ckkit itself" in ck(clone).stderr
    said = asked(tmp_path)
    assert any("--require-hashes" in line for line in said)
    assert not any("-m venv" in line for line in said)
    assert ck(clone).stderr == ""


def test_a_clone_that_was_moved_gets_a_new_environment(clone, tmp_path):
    ck(clone)
    asked(tmp_path)
    moved = clone.rename(tmp_path / "moved")
    assert ck(moved).returncode == 0
    assert any("-m venv" in line for line in asked(tmp_path))


def test_setup_sets_up_also_where_it_seems_done(clone):
    ck(clone)
    ran = ck(clone, "setup")
    assert "4/4 ckkit itself" in ran.stderr
    assert ran.stdout == ""


def test_it_runs_the_tests_from_the_root(clone):
    ran = subprocess.run([clone / "ck", "test", "-k", "a b"], cwd="/", capture_output=True, text=True, timeout=60)
    assert ran.stdout == f"pytest got: -m pytest -n 2 --dist loadscope -k a b in {clone}\n"


def test_eight_at_once_set_up_once(clone, tmp_path):
    env = {**os.environ, "FAKE_SLOW": "1"}
    many = [
        subprocess.Popen(["./ck"], cwd=clone, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    said = [one.communicate(timeout=60) for one in many]
    assert [one.returncode for one in many] == [0] * 8
    assert sum("-m venv" in line for line in asked(tmp_path)) == 1
    assert sum("is setting up: waiting for it" in err for _, err in said) == 7


def test_a_lock_whose_owner_is_gone_is_taken_over(clone):
    gone = subprocess.Popen(["true"])
    gone.wait()
    lock = clone / ".venv" / ".ck-lock"
    lock.parent.mkdir(parents=True)
    lock.symlink_to(str(gone.pid))
    assert ck(clone).returncode == 0
    assert not lock.is_symlink()


def test_an_old_python_is_named_with_what_to_install(clone):
    ran = ck(clone, FAKE_VERSION="3.9.2", PYTHON="python3")
    assert ran.returncode == 2
    assert "ckkit needs Python 3.11 or newer, but " in ran.stderr
    assert "/bin/python3 is Python 3.9.2" in ran.stderr
    assert "sudo apt-get install python3 python3-venv" in ran.stderr


def test_without_any_python_that_is_said(clone):
    ran = ck(clone, PYTHON="/no/python")
    assert ran.returncode == 2
    assert "there is no /no/python" in ran.stderr


def test_without_the_module_venv_the_debian_package_is_named(clone):
    ran = ck(clone, FAKE_NO_VENV="1")
    assert ran.returncode == 2
    assert "sudo apt-get install python3.11-venv" in ran.stderr


def test_without_a_network_it_says_so_and_goes_on_later(clone):
    ran = ck(clone, "up", FAKE_OFFLINE="1")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "packages could not be fetched: is there a network?" in ran.stderr
    assert "PIP_INDEX_URL" in ran.stderr
    again = ck(clone, "up")
    assert again.returncode == 0
    assert "4/4 ckkit itself" in again.stderr


def test_what_else_fails_is_shown_with_the_log(clone):
    ran = ck(clone, FAKE_BROKEN="1")
    assert ran.returncode == 2
    assert "error: hash mismatch" in ran.stderr
    assert f"the set-up failed; all that was said: {clone}/.venv/ck.log" in ran.stderr
    assert "network" not in ran.stderr


def test_interrupted_it_leaves_no_lock(clone):
    with subprocess.Popen(
        ["./ck"], cwd=clone, env={**os.environ, "FAKE_SLOW": "30"}, stderr=subprocess.PIPE, start_new_session=True
    ) as ran:
        end = time.monotonic() + 20
        while not (clone / ".venv" / ".ck-lock").is_symlink() and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.3)
        ran.terminate()
        assert ran.wait(20) == 130
        os.killpg(ran.pid, 9)  # the sleep of the test's python
    assert not (clone / ".venv" / ".ck-lock").is_symlink()
