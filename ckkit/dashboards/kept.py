"""
The hundred files of JavaScript that a page is made of, kept by the browser.

Their URLs carry a release, a hash of the versions of all who ship them, so that a browser keeps them for a year and
asks for none of them at its next visit; after an upgrade they have other URLs. Voila's own URLs carry nothing, so a
browser has to ask for each of them at every visit.
"""

import hashlib
from importlib.metadata import version
from typing import Any

from voila.static_file_handler import MultiStaticFileHandler

SHIPPERS = ("ckkit", "voila", "anywidget", "jupyterlab-widgets", "ipywidgets")
YEAR_S = 365 * 86400


def release() -> str:
    """Return what stands in the URLs."""
    return hashlib.sha256(" ".join(version(name) for name in SHIPPERS).encode()).hexdigest()[:12]


def page_config(config: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Return what a page knows of its server, with the URLs of this release."""
    found = release()
    return config | {"fullStaticUrl": f"/ckkit/static/{found}", "fullLabextensionsUrl": f"/ckkit/extensions/{found}"}


class KeptHandler(MultiStaticFileHandler):  # type: ignore[misc]
    """A file of some folders, for a year."""

    def get_cache_time(self, path: str, modified: Any, mime_type: str) -> int:
        return YEAR_S

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", f"private, max-age={YEAR_S}, immutable")


def routes(static: list[str], extensions: list[str]) -> list[Any]:
    """Return the routes of these URLs, over the folders that Voila has for them."""
    return [
        (r"/ckkit/static/[0-9a-f]+/(.*)", KeptHandler, {"paths": static}),
        (r"/ckkit/extensions/[0-9a-f]+/(.*)", KeptHandler, {"paths": extensions}),
    ]
