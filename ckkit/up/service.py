"""
`ckkit service`: ckkit as a service of the user's systemd, so that it runs from the machine's start on.

Written, not started: what to do then is said. See systemd.service(5), systemd.unit(5).
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ckkit.errors import NotFound
from ckkit.home import Home, replace_file

NAME = "ckkit.service"
NEXT = """\
  systemctl --user daemon-reload
  systemctl --user enable --now ckkit
  loginctl enable-linger              # so that it runs while you are not logged in"""


def unit(python: str, workspace: Path, home: Path) -> str:
    """Return the text of the unit. `up` says when it is ready, so those ordered after it start then."""
    return f"""\
[Unit]
Description=ckkit: hub, runner, JupyterLab and dashboards
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={quoted(python).replace("$", "$$")} -P -m ckkit.cli up
WorkingDirectory={escaped(str(workspace))}
Environment={quoted(f"CKKIT_HOME={home}")}
Environment={quoted(f"CKKIT_WORKSPACE={workspace}")}
Restart=on-failure
RestartSec=5
TimeoutStartSec=180
TimeoutStopSec=60
KillMode=mixed
UMask=0077

[Install]
WantedBy=default.target
"""


def escaped(text: str) -> str:
    """
    Return text in which systemd finds no specifier.

    >>> escaped("/srv/100%")
    '/srv/100%%'
    """
    return text.replace("%", "%%")


def quoted(text: str) -> str:
    """
    Return text as one word of a unit file.

    >>> quoted('a b"c')
    '"a b\\\\"c"'
    """
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped(inside)}"'


def path(env: Mapping[str, str] = os.environ) -> Path:
    """Return where the user's units are."""
    base = env.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Path(base) / "systemd" / "user" / NAME


def install(env: Mapping[str, str] = os.environ) -> str:
    """Write the unit for this home and workspace; return what to say. An older one is replaced."""
    from ckkit.config import Workspace

    home, workspace, target = Home.find(env), Workspace.find(env), path(env)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, unit(sys.executable, workspace.path, home.path), 0o644)
    return f"wrote {target}; now:\n{NEXT}"


def remove(env: Mapping[str, str] = os.environ) -> str:
    """Take the unit away. Raises NotFound where there is none."""
    target = path(env)
    if not target.exists():
        raise NotFound(f"there is no {target}: `ckkit service install` writes it")
    target.unlink()
    return f"removed {target}; now:\n  systemctl --user disable --now ckkit; systemctl --user daemon-reload"
