"""
`Page`: hears whether somebody looks, and holds what stands in the URL. It never asks the hub: the notebook does.

    browser                      kernel
    hello, ?node=web0  ────────▶ opened({"node": "web0"})   shows everything as it is now, begins to watch
    beat, every 5 s    ────────▶ goes on
    (hidden, or gone)            17 s later: stops watching; the kernel is idle, and is ended once its browser is gone
    beat               ────────▶ opened(…) again

So a kernel that was started long before its visitor shows nothing old, and one whose browser was killed does not
work for nobody. A hub that went away is said on the page, and tried again every two seconds while somebody looks.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

import anywidget
import ipywidgets as w
import traitlets as t

from ckkit.errors import CkkitError
from ckkit.views.assets import CSS, script

GRACE_S = 17.0  # without a beat, of which the browser sends one in five seconds
LOOK_S = 2.0
SECRET = frozenset({"token"})  # what may stand in a URL and is never kept
AWAY = (
    "The hub does not answer. What is below is from before; the page goes on by itself when the hub is back "
    "(`ckkit status`, `ckkit logs hub`)."
)
log = logging.getLogger("ckkit.views.page")


class Watching(Protocol):
    """What `opened` returns: what it began. It may have `connected`: whether news can come just now."""

    def stop(self) -> None: ...


Opened = Callable[[dict[str, str]], Watching | None]


class Page(anywidget.AnyWidget):
    """
    A page that somebody looks at, or does not.

    `opened(state)` is called when a browser says hello, with what stands in its URL; it shows the page as it is now,
    begins to watch, and returns that, so that it can be stopped. A CkkitError that it raises is shown, and it is
    tried again.

    `state` holds texts by name; setting it changes the URL, without a reload. `title` is that of the browser's tab.
    """

    _esm = script("page")
    _css = CSS
    state = t.Dict({}).tag(sync=True)
    title = t.Unicode("").tag(sync=True)
    problem = t.Unicode("").tag(sync=True)
    beats = t.Int(0).tag(sync=True)  # heard so far: the answer to a beat

    def __init__(
        self, opened: Opened, *, grace_s: float = GRACE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._opened, self._grace_s, self._clock = opened, grace_s, clock
        self._watching: Watching | None = None
        self._live = self._away = False
        self._seen = clock()
        self._task: asyncio.Task[None] | None = None
        self.on_msg(self._heard)

    @property
    def live(self) -> bool:
        """Whether somebody looks, and what is shown is watched."""
        return self._live

    def say(self, **state: str) -> None:
        """Change some of the state, and with it the URL."""
        self.state = {**self.state, **state}

    def over(self, *shown: w.Widget) -> w.VBox:
        """Return what to display: what is shown, and above it the place where the page tells a problem."""
        return w.VBox([self, *shown], layout=w.Layout(width="100%"))

    def look(self) -> None:
        """Open what is not open; close what cannot bring news any more, and say so. Called again and again."""
        if not self._live:
            self._open()
        elif getattr(self._watching, "connected", True):
            self._away = False
        elif not self._away:
            self._away = True  # a hub that restarts is back before the next look
        else:
            self._close()
            self.problem = AWAY

    def _heard(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        self._seen = self._clock()
        if message.get("kind") == "hello":
            self._close()
            self.state = state_of(str(message.get("search", "")))
        if not self._live:
            self._open()
        if self._task is None or self._task.done():
            with contextlib.suppress(RuntimeError):  # no loop: a plain script, that looks for itself
                self._task = asyncio.get_running_loop().create_task(self._watch())
        self.beats += 1

    async def _watch(self) -> None:
        while self._clock() - self._seen < self._grace_s:
            await asyncio.sleep(LOOK_S)
            self.look()
        self._close()

    def _open(self) -> None:
        try:
            self._watching = self._opened(dict(self.state))
        except CkkitError as error:
            self.problem = error.message
            return
        except Exception as error:  # a page that says nothing looks as if it were still to come
            log.exception("a page could not be opened")
            self.problem = f"This page failed, which is a mistake in ckkit: {type(error).__name__}: {error}"
            return
        self._live, self._away, self.problem = True, False, ""

    def _close(self) -> None:
        watching, self._watching, self._live = self._watching, None, False
        if watching is not None:
            watching.stop()


def state_of(search: str) -> dict[str, str]:
    """
    Return what stands in a URL after the `?`, without what is secret.

    >>> state_of("?node=web%200&token=s3cret&q=tag:a")
    {'node': 'web 0', 'q': 'tag:a'}
    """
    return {key: value for key, value in parse_qsl(search.lstrip("?")) if key not in SECRET}
