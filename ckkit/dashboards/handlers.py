"""
Voila's handlers, with what a page of ckkit needs beyond them.

* A visit with `?token=` sets the cookie and is sent on without the token, so that it is in no link, history or kernel.
* Without a valid token there is a page that says what to do, and nothing else.
* The page sets the XSRF cookie. Voila 0.5.13 forgets to, so the beacon by which a closed tab ends its kernel is
  refused, and the kernel stays (voila issue 1458).
* Voila keeps the query of every visit for a kernel that may ask for it, to whoever knows the kernel's id, without a
  token, and for ever. Ours never ask: the page tells them.
"""

import html
from collections.abc import Awaitable
from http.client import responses
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from voila.request_info_handler import RequestInfoSocketHandler
from voila.static_file_handler import AllowListFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.treehandler import TornadoVoilaTreeHandler
from voila.voila_identity_provider import VoilaLoginHandler

from ckkit.config import Home
from ckkit.dashboards.cards import cards
from ckkit.views.assets import plotly_js

OVERVIEW = "overview.ipynb"
TEMPLATE = Path(__file__).parent / "share" / "jupyter" / "voila" / "templates" / "ckkit"
HOW = "Open the address that <code>./ck up</code> printed; <code>ckkit status --tokens</code> shows it again."


class Guarded(JupyterHandler):
    """
    Lets pass who has the cookie; a token in the URL becomes the cookie.

    Its methods are marked as allowed without a login only so that the refusal is ours, and not a form for a password.
    """

    def admitted(self) -> bool:
        """Say whether to go on; else the answer has been written."""
        if self.current_user is None:
            wrong = "token" in self.request.query_arguments
            self.say(403, "This token is not the one of this ckkit." if wrong else "This page needs a token.", HOW)
            return False
        if "token" in self.request.query_arguments:
            kept = [(k, v.decode()) for k, vs in self.request.query_arguments.items() if k != "token" for v in vs]
            self.redirect(self.request.path + (f"?{urlencode(kept)}" if kept else ""))
            return False
        _ = self.xsrf_token  # sets the cookie
        return True

    def write_error(self, status_code: int, **_: Any) -> None:
        """Say what went wrong; the pages of Voila and of Jupyter for that ask other machines for their looks."""
        more = "The log of the dashboards says more: <code>ckkit logs dashboards</code>." if status_code >= 500 else ""
        self.say(status_code, f"{status_code} {responses.get(status_code, '')}", more)

    def say(self, status: int, said: str, more: str) -> None:
        """Answer with a page of one message. `more` is HTML."""
        style = (TEMPLATE / "ckkit.css").read_text()
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            f"<!DOCTYPE html><html lang='en'><meta charset='utf-8'><title>ckkit</title>"
            f"<link rel='icon' href='data:;base64,='><style>{style}</style><nav id='ck-nav'><b>ckkit</b></nav>"
            f"<div class='ck-message'><p><b>{html.escape(said)}</b></p><p>{more}</p></div></html>"
        )


class PageHandler(Guarded, TornadoVoilaHandler):  # type: ignore[misc]
    """A dashboard."""

    @allow_unauthenticated
    async def get(self, path: str = "") -> None:
        if not self.admitted():
            return
        there = self.contents_manager.file_exists(path)  # type: ignore[no-untyped-call]
        if path.endswith(".ipynb") and not await ensure_async(there):
            self.say(404, f"There is no dashboard {path}.", "<a href='/voila/tree'>Those that there are</a>")
            return
        await _done(super().get(path))
        RequestInfoSocketHandler._cache.clear()


class HomeHandler(Guarded, TornadoVoilaTreeHandler):  # type: ignore[misc]
    """The dashboards as cards; the root of the site leads to the overview."""

    @allow_unauthenticated
    async def get(self, path: str = "") -> None:
        if not self.admitted():
            return
        folder = Path(self.contents_manager.root_dir)
        if self.request.path == self.base_url and (folder / OVERVIEW).is_file():
            self.redirect(f"{self.base_url}voila/render/{OVERVIEW}")
            return
        template = self.get_template("home.html")  # type: ignore[no-untyped-call]
        self.write(template.render(cards=cards(folder), folder=folder))


class LabHandler(Guarded):
    """Leads to JupyterLab, wherever it is just now; it asks for a token of its own."""

    def initialize(self, home: Home) -> None:
        self.home = home

    @allow_unauthenticated
    def get(self) -> None:
        if not self.admitted():
            return
        if url := (self.home.part("up") or {}).get("lab_url", ""):
            self.redirect(url)
        else:
            self.say(404, "JupyterLab is not running.", "<code>./ck up</code> starts it with the rest.")


class TokenHandler(Guarded):
    """Where a visitor without a cookie is sent by handlers that are not ours."""

    @allow_unauthenticated
    def get(self) -> None:
        if self.admitted():
            self.redirect(self.base_url)


class MissingHandler(Guarded):
    """Everything that there is not."""

    @allow_unauthenticated
    def get(self) -> None:
        if self.admitted():
            self.say(404, f"There is nothing at {self.request.path}.", "<a href='/voila/tree'>The dashboards</a>")


class PlotlyHandler(JupyterHandler):
    """plotly.js, out of the Python package: once a browser, not once a chart."""

    @allow_unauthenticated
    def get(self) -> Awaitable[None]:
        if self.current_user is None:
            raise web.HTTPError(403)
        self.set_header("Content-Type", "text/javascript")
        self.set_header("Cache-Control", "private, max-age=86400")
        return self.finish(plotly_js().read_bytes())

    def check_xsrf_cookie(self) -> None:
        """A script element sends no header; the cookie of the login is what counts."""


class FileHandler(JupyterHandler, AllowListFileHandler):  # type: ignore[misc]
    """Pictures beside the notebooks; Voila gives them to everybody."""


async def _done(answer: Awaitable[None] | None) -> None:
    """Wait for what a method that needs a login gave: None where it sent the visitor elsewhere."""
    if answer is not None:
        await answer


def routes(theirs: list[Any], home: Home) -> list[Any]:
    """Return Voila's routes with our handlers in the place of those that they are made of, and ours."""
    mine: dict[Any, Any] = {
        TornadoVoilaHandler: PageHandler,
        TornadoVoilaTreeHandler: HomeHandler,
        AllowListFileHandler: FileHandler,
    }
    kept = [(url, mine.get(kind, kind), *rest) for url, kind, *rest in theirs if kind not in LEFT_OUT]
    ours = [
        ("/ckkit/plotly.min.js", PlotlyHandler),
        ("/ckkit/lab", LabHandler, {"home": home}),
        ("/login", TokenHandler),
    ]
    return [*ours, *kept, (".*", MissingHandler)]


LEFT_OUT = (RequestInfoSocketHandler, VoilaLoginHandler)
