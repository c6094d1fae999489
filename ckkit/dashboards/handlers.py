"""
Voila's handlers, with what a page of ckkit needs beyond them.

* A visit with `?token=` sets the cookie and is sent on without the token, so that it is in no link, history or kernel.
* Without a valid token there is a page that says what to do, and nothing else.
* The page sets the XSRF cookie. Voila 0.5.13 forgets to, so the beacon by which a closed tab ends its kernel is
  refused, and the kernel stays (voila issue 1458).
"""

import html
from collections.abc import Awaitable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.treehandler import TornadoVoilaTreeHandler

from ckkit.views.widgets import plotly_js

OVERVIEW = "voila/render/overview.ipynb"
TEMPLATE = Path(__file__).parent / "share" / "jupyter" / "voila" / "templates" / "ckkit"


class Guarded(JupyterHandler):
    """
    Lets pass who has the cookie; a token in the URL becomes the cookie.

    Its methods are marked as allowed without a login only so that the refusal is ours, and not a form for a password.
    """

    def admitted(self) -> bool:
        """Say whether to go on; else the answer has been written."""
        if self.current_user is None:
            self._refuse()
            return False
        if "token" in self.request.query_arguments:
            kept = [(k, v.decode()) for k, vs in self.request.query_arguments.items() if k != "token" for v in vs]
            self.redirect(self.request.path + (f"?{urlencode(kept)}" if kept else ""))
            return False
        _ = self.xsrf_token  # sets the cookie
        return True

    def _refuse(self) -> None:
        wrong = "token" in self.request.query_arguments
        said = "This token is not the one of this ckkit." if wrong else "This page needs a token."
        style = (TEMPLATE / "ckkit.css").read_text()
        self.set_status(403)
        self.finish(
            f"<!DOCTYPE html><html lang='en'><meta charset='utf-8'><title>ckkit</title><style>{style}</style>"
            f"<nav id='ck-nav'><b>ckkit</b></nav><div class='ck-message'><p><b>{html.escape(said)}</b></p>"
            "<p>Open the address that <code>./ck up</code> printed; <code>ckkit status --tokens</code> shows it again."
            "</p></div></html>"
        )


class PageHandler(Guarded, TornadoVoilaHandler):  # type: ignore[misc]
    """A dashboard."""

    @allow_unauthenticated
    async def get(self, path: str = "") -> None:
        if self.admitted():
            await _done(super().get(path))


class LandingHandler(Guarded, TornadoVoilaTreeHandler):  # type: ignore[misc]
    """The list of dashboards; the root of the site leads to the overview."""

    @allow_unauthenticated
    async def get(self, path: str = "") -> None:
        if not self.admitted():
            return
        if self.request.path.rstrip("/") == self.base_url.rstrip("/"):
            self.redirect(self.base_url + OVERVIEW)
            return
        await _done(super().get(path))


class PlotlyHandler(Guarded):
    """plotly.js, out of the Python package: once a browser, not once a chart."""

    @allow_unauthenticated
    def get(self) -> Awaitable[None] | None:
        if self.current_user is None:
            raise web.HTTPError(403)
        self.set_header("Content-Type", "text/javascript")
        self.set_header("Cache-Control", "private, max-age=86400")
        return self.finish(plotly_js().read_bytes())

    def check_xsrf_cookie(self) -> None:
        """A script element sends no header; the cookie of the login is what counts."""


async def _done(answer: Awaitable[None] | None) -> None:
    """Wait for what a method that needs a login gave: None where it sent the visitor elsewhere."""
    if answer is not None:
        await answer


def replaced(handlers: list[Any], mine: dict[Any, Any]) -> list[Any]:
    """Return Voila's handlers with ours in the place of those that they are made of."""
    return [(url, mine.get(kind, kind), *rest) for url, kind, *rest in handlers]
