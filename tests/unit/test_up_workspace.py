"""`ckkit init` and `ckkit service`: what they write."""

import os
import subprocess
from pathlib import Path

import pytest

from ckkit.config import Workspace
from ckkit.errors import Invalid, NotFound
from ckkit.up import service, workspace

ROOT = Path(__file__).parents[2]


def test_a_workspace_is_made_that_can_be_read(tmp_path):
    made = workspace.init(tmp_path / "ops")
    assert [path.name for path in made] == ["ckkit.toml", "monitors", "scheduled", "notebooks", "voila_apps"]
    assert Workspace(tmp_path / "ops").load().this_machine.enabled
    for folder in workspace.FOLDERS:
        ours = {path.name for path in (ROOT / folder).iterdir() if path.is_file() and not path.name.startswith(".")}
        assert ours <= {path.name for path in (tmp_path / "ops" / folder).iterdir()}


def test_it_may_be_made_in_a_folder_that_has_other_things(tmp_path):
    (tmp_path / "README.md").write_text("ours")
    workspace.init(tmp_path)
    assert (tmp_path / "README.md").read_text() == "ours"


@pytest.mark.parametrize("there", ["ckkit.toml", "monitors"])
def test_nothing_is_overwritten(tmp_path, there):
    (tmp_path / there).mkdir()
    with pytest.raises(Invalid, match=f"has {there} already, nothing was written"):
        workspace.init(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "ops").write_text("")
    with pytest.raises(Invalid, match="is a file"):
        workspace.init(tmp_path / "ops")


def test_what_is_hidden_is_not_copied(tmp_path):
    source = tmp_path / "source"
    (source / "notebooks" / ".ipynb_checkpoints").mkdir(parents=True)
    (source / "notebooks" / "a.ipynb").write_text("{}")
    (source / "ckkit.toml").write_text("")
    assert [path.name for path in workspace.init(tmp_path / "ops", source)] == ["ckkit.toml", "notebooks"]
    assert [path.name for path in (tmp_path / "ops" / "notebooks").iterdir()] == ["a.ipynb"]


def test_originals_come_with_the_package_or_the_clone(tmp_path):
    package = tmp_path / "ckkit"
    (package / "workspace").mkdir(parents=True)
    with pytest.raises(NotFound, match="install ckkit again"):
        workspace.originals(package)
    (tmp_path / "ckkit.toml").write_text("")
    assert workspace.originals(package) == tmp_path
    (package / "workspace" / "ckkit.toml").write_text("")
    assert workspace.originals(package) == package / "workspace"


@pytest.fixture
def where(tmp_path):
    """A home and a workspace whose paths have what a unit file must quote."""
    space = tmp_path / "our 100% ops"
    workspace.init(space)
    return {
        "CKKIT_HOME": str(tmp_path / 'ho"me $x'),
        "CKKIT_WORKSPACE": str(space),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }


def test_the_unit_is_what_systemd_takes(where, needs, tmp_path):
    verify = needs("systemd-analyze")
    said = service.install(where)
    assert "systemctl --user enable --now ckkit" in said
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}  # without a session there is none
    command = [verify, "--user", "verify", str(service.path(where))]
    ran = subprocess.run(command, capture_output=True, text=True, env=env)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_unit_names_this_home_and_workspace(where):
    service.install(where)
    text = service.path(where).read_text()
    assert f'Environment="CKKIT_WORKSPACE={where["CKKIT_WORKSPACE"].replace("%", "%%")}"' in text
    escaped = where["CKKIT_HOME"].replace('"', '\\"')
    assert f'Environment="CKKIT_HOME={escaped}"' in text
    assert "Type=notify" in text


def test_installed_twice_is_installed_once_and_removed_is_gone(where):
    service.install(where)
    service.install(where)
    assert "removed" in service.remove(where)
    assert not service.path(where).exists()
    with pytest.raises(NotFound, match="ckkit service install"):
        service.remove(where)
