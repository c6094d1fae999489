"""
JupyterLab as a part: its configuration, which makes no call to another machine and keeps its own state in the home.

It lies in home/jupyter and not in `~/.jupyter`, so that a JupyterLab that somebody uses for other things is not
touched, and its settings do not change this one. The token is in a file of mode 0600: arguments can be read by all.
"""

import hashlib
import hmac
import json
import os
import shutil
from pathlib import Path

from ckkit.home import Home, replace_file

# Extensions of the server that nothing here needs; each costs memory or a second at the start.
NOT_NEEDED = ("jupyter_lsp", "notebook_shim", "voila.server_extension", "nbclassic", "jupyterlab_git")

# The user's own choice in the settings wins over these.
OVERRIDES = {
    "@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Dark", "theme-scrollbars": True},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "defer"},
}

# Parts of its page that would ask other machines, or a server's extension that is not there.
NOT_ON_THE_PAGE = (
    "@jupyterlab/apputils-extension:announcements",
    "@jupyterlab/extensionmanager-extension",
    "@jupyterlab/lsp-extension",
    "@jupyterlab/fileeditor-extension:language-server",
    "@jupyterlab/notebook-extension:language-server",
    "@voila-dashboards/jupyterlab-preview",
)


def folder(home: Home) -> Path:
    return home.path / "jupyter"


def settings(home: Home) -> Path:
    """Return the path of its configuration, which `prepare` writes."""
    return folder(home) / "lab_config.json"


def token(home: Home) -> str:
    """
    Return the token of JupyterLab: made from the admin's, and of no use with the hub.

    So it lasts as long as that one does, and there is no second file to keep.
    """
    return hmac.new(home.token("admin").encode(), b"jupyterlab", hashlib.sha256).hexdigest()[:40]


def url(home: Home, port: int, open_path: str = "") -> str:
    """Return the address for people, with the token."""
    path = f"/tree/{open_path}" if open_path else ""
    return f"http://127.0.0.1:{port}/lab{path}?token={token(home)}"


def environment(home: Home) -> dict[str, str]:
    """
    Return its environment. The runtime folder holds the kernels' unix sockets, so its path must be short: it is beside
    the hub's socket.
    """
    return {
        "JUPYTER_CONFIG_DIR": str(folder(home)),
        "JUPYTER_RUNTIME_DIR": str(home.socket().with_suffix(".jupyter")),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def configuration(home: Home, workspace: Path, port: int) -> dict[str, dict[str, object]]:
    """Return what JupyterLab reads as its configuration."""
    state = folder(home)
    return {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 0,
            "open_browser": False,
            "root_dir": str(workspace),
            "quit_button": False,
            "allow_root": True,  # it listens on loopback only, and whoever may start it is root already
            "jpserver_extensions": dict.fromkeys(NOT_NEEDED, False),
        },
        "IdentityProvider": {"token": token(home)},
        # Over TCP any user of the machine could read what a kernel says.
        "KernelManager": {"transport": "ipc"},
        "LabApp": {
            "news_url": None,
            "check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
            "extension_manager": "readonly",
            "app_settings_dir": str(state / "app_settings"),
            "user_settings_dir": str(state / "user_settings"),
            "workspaces_dir": str(state / "workspaces"),
        },
    }


def prepare(home: Home, workspace: Path, port: int) -> Path:
    """Write its configuration and settings; return the path of the configuration."""
    os.makedirs(folder(home) / "app_settings", mode=0o700, exist_ok=True)
    Path(environment(home)["JUPYTER_RUNTIME_DIR"]).mkdir(mode=0o700, exist_ok=True)
    replace_file(folder(home) / "app_settings" / "overrides.json", json.dumps(OVERRIDES, indent=1))
    page = {"disabledExtensions": dict.fromkeys(NOT_ON_THE_PAGE, True)}
    replace_file(folder(home) / "app_settings" / "page_config.json", json.dumps(page, indent=1))
    replace_file(settings(home), json.dumps(configuration(home, workspace, port), indent=1))
    return settings(home)


def tidy(home: Home) -> None:
    """Take away what its kernels left in the runtime folder; for when it has ended."""
    shutil.rmtree(environment(home)["JUPYTER_RUNTIME_DIR"], ignore_errors=True)
