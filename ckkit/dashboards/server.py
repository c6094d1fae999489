"""
Voila, set up: loopback, a token, a template that asks no other machine, kernels ready ahead, kernels ended behind.

`overview.ipynb` and `node.ipynb` have a kernel that waits for the next visitor, with everything imported.
"""

import hashlib
import hmac
import html
import os
import socket
from pathlib import Path
from typing import Any

from ckkit.config import Home, Workspace
from ckkit.errors import Taken

SHARE = Path(__file__).parent / "share" / "jupyter"
WIDGETS = ("@voila-dashboards/widgets-manager8", "@jupyter-widgets/jupyterlab-manager", "anywidget")
READY = {"overview.ipynb": 1, "node.ipynb": 1}
CULL_S, CULL_EVERY_S = 60, 15


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
        },
        "VoilaConfiguration": {
            "template": "ckkit",
            "theme": "dark",
            "classic_tree": True,
            "preheat_kernel": True,
            "extension_allowlist": list(WIDGETS),
            "show_tracebacks": True,
            "resources": {"ckkit_nav": navigation(home)},
            "page_config_hook": lambda config, **_: {**config, "ckkitNav": navigation(home)},
        },
        "VoilaKernelManager": {
            "kernel_pools_config": {
                "default": {"pool_size": 0},
                **{
                    name: {"pool_size": size} for name, size in READY.items() if (workspace.voila_apps / name).is_file()
                },
            }
        },
        "MappingKernelManager": {"cull_idle_timeout": cull_s, "cull_interval": cull_every_s},
        # Over TCP any user of the machine could read what a kernel says.
        "KernelManager": {"transport": "ipc"},
    }


def navigation(home: Home) -> str:
    """Return the bar on top of every page. JupyterLab asks for its own token."""
    lab = (home.part("up") or {}).get("lab_url", "")
    links = [("/voila/render/overview.ipynb", "Overview"), ("/voila/tree", "Dashboards")]
    made = "".join(f'<a href="{url}">{title}</a>' for url, title in links)
    right = f'<a class="right" href="{html.escape(lab)}">JupyterLab</a>' if lab else ""
    return f"<b>ckkit</b>{made}{right}"


def taken(port: int) -> None:
    """Raise Taken where somebody else has the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Taken(
                f"port {port} for the dashboards is taken: stop what has it, or `./ck up --dashboards-port {port + 1}`"
            ) from None


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
    from voila.tornado.handler import TornadoVoilaHandler
    from voila.tornado.treehandler import TornadoVoilaTreeHandler

    from ckkit.dashboards import handlers

    class Dashboards(Voila):  # type: ignore[misc]  # it has no types
        def init_handlers(self) -> list[Any]:
            freshened(self.kernel_manager)
            ours = {TornadoVoilaHandler: handlers.PageHandler, TornadoVoilaTreeHandler: handlers.LandingHandler}
            return [("/ckkit/plotly.min.js", handlers.PlotlyHandler), *handlers.replaced(super().init_handlers(), ours)]

        def listen(self) -> None:
            home.announce("dashboards", url=f"http://127.0.0.1:{port}")
            try:
                super().listen()
            finally:
                home.withdraw("dashboards")

    app = Dashboards(config=Config(settings(home, workspace, port, cull_s, cull_every_s)))
    app.connection_dir_root = str(runtime)
    app.initialize([str(workspace.voila_apps)])
    app.start()
