"""
What `ckkit up` writes: progress while the parts start, then where to go, then what happens to them.

Text is made by pure functions of what the supervisor says; `Screen` only knows what it has written.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from ckkit.home import Home
from ckkit.up import lab, plan
from ckkit.up.state import READY, STARTING, STOPPING, WAITING, PartState, UpState

WIDTH = max(map(len, plan.TITLES.values()))
CLEAR = "\r\x1b[K"


def header(up: UpState, home: Home) -> list[str]:
    return [
        f"ckkit {up.version}",
        f"  workspace  {tilde(Path(up.workspace))}",
        f"  home       {tilde(home.path)}",
        "",
    ]


def changes(before: UpState | None, after: UpState) -> list[str]:
    """Return one line for each part that became ready, or died, between the two."""
    lines = []
    for part in after.parts:
        old = before.part(part.name) if before else None
        if part.state == READY and (old is None or old.state != READY or old.who != part.who):
            lines.append(f"  {part.title.ljust(WIDTH)}  ready in {part.ready_s or 0:.1f} s")
        elif part.state == WAITING and part.deaths and (old is None or old.deaths != part.deaths):
            lines.append(f"  {part.title.ljust(WIDTH)}  {part.reason} ({command()} logs {part.name})")
    return lines


def waiting(up: UpState, elapsed_s: float) -> str:
    """Return the line that is written over and over while parts start."""
    names = [part.title for part in up.parts if part.state != READY]
    return f"  waiting for {listed(names)} … {elapsed_s:.1f} s" if names else ""


def addresses(home: Home, up: UpState) -> list[tuple[str, str]]:
    """Return what people open: a title and a URL with its token, the most wanted first."""
    found = []
    if dashboards := up.part("dashboards"):
        found.append(("Overview", overview(home, dashboards)))
    if part := up.part("lab"):
        found.append(("JupyterLab", lab.url(home, part.port, _tour(Path(up.workspace)))))
    if hub := up.part("hub"):
        found.append(("Hub", f"{hub.url}  (tokens: {tilde(home.tokens)})"))
    return found


def overview(home: Home, part: PartState) -> str:
    """Return the address of the overview page, with its token."""
    return f"{part.url}/voila/render/overview.ipynb?token={home.token('operator')}"


def _tour(workspace: Path) -> str:
    return plan.TOUR if (workspace / plan.TOUR).is_file() else ""


def where(home: Home, up: UpState) -> list[str]:
    """Return the block of addresses, aligned."""
    known = addresses(home, up)
    width = max((len(title) for title, _ in known), default=0)
    return ["", *(f"  {title.ljust(width)}  {url}" for title, url in known), ""]


def command(env: Mapping[str, str] = os.environ, *, anywhere: bool = False) -> str:
    """
    Return how people called us: `ckkit`, or the bootstrap `./ck`; with `anywhere`, so that it works in any folder.

    >>> command({}), command({"CKKIT_COMMAND": "./ck"})
    ('ckkit', './ck')
    """
    called = env.get("CKKIT_COMMAND") or "ckkit"
    return os.path.abspath(called) if anywhere and "/" in called else called


def hints(*, foreground: bool) -> str:
    ck = command()
    return f"  state: {ck} status   logs: {ck} logs -f   stop: {'Ctrl-C' if foreground else f'{ck} down'}"


class Screen:
    """Writes to a terminal, where the last line is rewritten, or to anything else, line by line."""

    def __init__(self, home: Home, stream: TextIO | None = None, *, foreground: bool = True) -> None:
        self._home, self._foreground = home, foreground
        self._stream: TextIO | _Nowhere = stream or sys.stdout
        self._tty = self._stream.isatty()
        self._last: UpState | None = None
        self._told_addresses = self._told_stopping = False

    def show(self, up: UpState, elapsed_s: float) -> None:
        """Write what is new since the last call."""
        if self._last is None:
            self.say(*header(up, self._home))
        self.say(*changes(self._last, up))
        self._last = up
        if up.state == READY and not self._told_addresses:
            self._told_addresses = True
            self.say("", f"  everything is up after {up.took_s or elapsed_s:.1f} s")
            self.say(*where(self._home, up), hints(foreground=self._foreground))
        elif up.state == STOPPING and not self._told_stopping:
            self._told_stopping = True
            self.say("  stopping …")
        elif up.state == STARTING and self._tty and (line := waiting(up, elapsed_s)):
            self._write(f"{CLEAR}{line}")

    def say(self, *lines: str) -> None:
        start = CLEAR if self._tty else ""
        for line in lines:
            self._write(f"{start}{line}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (BrokenPipeError, ValueError, OSError):  # nobody reads any more: what is supervised goes on
            self._stream = _NOWHERE


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return False


_NOWHERE = _Nowhere()


def tilde(path: Path) -> str:
    """Return a path as people write it, the home folder as `~`."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)


def listed(names: Sequence[str]) -> str:
    """
    >>> listed(["hub"]), listed(["hub", "runner", "JupyterLab"])
    ('hub', 'hub, runner and JupyterLab')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


__all__ = [
    "Screen",
    "addresses",
    "changes",
    "command",
    "header",
    "hints",
    "listed",
    "overview",
    "tilde",
    "waiting",
    "where",
]
