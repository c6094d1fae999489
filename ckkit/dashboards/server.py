"""
Voila, set up: loopback, a token, a template that asks no other machine, kernels ready ahead, kernels ended behind.

`overview.ipynb` and `node.ipynb` have a kernel that waits for the next visitor, with everything imported.
"""

import hashlib
import hmac
import logging
import os
from pathlib import Path
from typing import Any

from ckkit.config import Home, Workspace
from ckkit.errors import Taken
from ckkit.up import ports

SHARE = Path(__file__).parent / "share" / "jupyter"
WIDGETS = ("@voila-dashboards/widgets-manager8", "@jupyter-widgets/jupyterlab-manager", "anywidget")
READY = {"overview.ipynb": 1, "node.ipynb": 1}
CULL_S, CULL_EVERY_S = 60, 15
PING_MS, SILENT_MS = 15_000, 40_000  # a browser that does not answer for so long is gone


def secret(home: Home) -> bytes:
    """Return what signs the cookies: made from the admin's token, so that a login outlasts a restart."""
    return hmac.new(home.token("admin").encode(), b"dashboards", hashlib.sha256).digest()


def settings(home: Home, workspace: Workspace, port: int, cull_s: int, cull_every_s: int) -> dict[str, dict[str, Any]]:
    """Return the configuration of Voila."""
    return {
        "Voila": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 0,
            "open_browser": False,
            "root_dir": str(workspace.voila_apps),
            "token": home.token("operator"),
            "cookie_secret": secret(home),
            "log_level": "WARN",
            "tornado_settings": {"ws_ping_interval": PING_MS, "ws_ping_timeout": SILENT_MS},
        },
        "VoilaConfiguration": {
            "template": "ckkit",
            "theme": "dark",
            "preheat_kernel": True,
            "extension_allowlist": list(WIDGETS),
            "show_tracebacks": True,
        },
        "VoilaKernelManager": {
            "kernel_pools_config": {
                "default": {"pool_size": 0},
                **{
                    name: {"pool_size": size} for name, size in READY.items() if (workspace.voila_apps / name).is_file()
                },
            },
            # The next one is made ready when the page is on the screen: it would be in the way of its loading.
            "fill_delay": 2.5,
        },
        "MappingKernelManager": {"cull_idle_timeout": cull_s, "cull_interval": cull_every_s},
        # Over TCP any user of the machine could read what a kernel says.
        "KernelManager": {"transport": "ipc"},
    }


def taken(port: int) -> None:
    """Raise Taken where somebody else has the port; it says who."""
    if not ports.is_free(port):
        raise Taken(
            f"port {port} for the dashboards is taken by {ports.owner(port)}: stop it, or "
            f"`./ck up --dashboards-port {ports.next_free(port)}`",
            port=port,
        )


def worth_a_line(record: logging.LogRecord) -> bool:
    """
    Say whether a line belongs into the log.

    Trust is about outputs, and notebooks in git have none; Jupyter's pings are its own, and Tornado takes their
    milliseconds for seconds.
    """
    return not any(said in record.getMessage() for said in ("is not trusted", "websocket_ping_timeout"))


def freshened(kernels: Any) -> None:
    """
    Count the hand-over of a kernel that waited as something it did.

    It may have waited for hours, so it would be ended as idle while its page is still on the way to the browser.
    """
    from jupyter_server._tz import utcnow

    hand_over = kernels.get_rendered_notebook

    async def get_rendered_notebook(*args: Any, **how: Any) -> Any:
        found = await hand_over(*args, **how)
        kernels.get_kernel(found[2]).last_activity = utcnow()
        return found

    kernels.get_rendered_notebook = get_rendered_notebook


def run(home: Home, workspace: Workspace, port: int, *, cull_s: int = CULL_S, cull_every_s: int = CULL_EVERY_S) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises Taken."""
    taken(port)
    runtime = home.socket().with_suffix(".voila")
    runtime.mkdir(mode=0o700, exist_ok=True)
    os.environ["JUPYTER_PATH"] = os.pathsep.join([str(SHARE), *filter(None, [os.environ.get("JUPYTER_PATH")])])
    os.environ["JUPYTER_RUNTIME_DIR"] = str(runtime)  # unix sockets of kernels lie there: a short path
    from traitlets.config import Config
    from voila.app import Voila

    from ckkit.dashboards import handlers, kept

    class Dashboards(Voila):  # type: ignore[misc]  # it has no types
        def init_handlers(self) -> list[Any]:
            freshened(self.kernel_manager)
            kept_files = kept.routes(self.static_paths, self.labextensions_path)
            return [*kept_files, *handlers.routes(super().init_handlers(), home)]

        def listen(self) -> None:
            home.announce("dashboards", url=f"http://127.0.0.1:{port}")
            try:
                super().listen()
            finally:
                home.withdraw("dashboards")

    config = Config(settings(home, workspace, port, cull_s, cull_every_s))
    config.VoilaConfiguration.page_config_hook = kept.page_config
    app = Dashboards(config=config)
    app.connection_dir_root = str(runtime)
    for log in (app.log, logging.getLogger("tornado.general")):
        log.addFilter(worth_a_line)
    app.initialize([str(workspace.voila_apps)])
    app.start()
