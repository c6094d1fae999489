"""What network checks expect and how they say that it failed. Not a check."""

import errno
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import aiohttp
import regex

from ckkit.collect.names import unknown
from ckkit.errors import CheckFailed

MATCH_S = 0.5  # for an expression on the whole of a body


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a text has what was expected; `shown` is the start of the text, for people."""

    found: bool
    shown: str

    def __bool__(self) -> bool:
        return self.found


def matches(pattern: str, text: str) -> Match:
    """
    Look for a regular expression anywhere in a text.

    >>> matches("pong", "It works!")
    Match(found=False, shown="'It works!'")

    Raises:
        CheckFailed: the text makes the expression try for ever; it was stopped, since nothing else runs meanwhile.
    """
    start = " ".join(text[:200].split())
    shown = repr(start if len(text) <= 60 and len(start) <= 60 else start[:60] + "…") if text else "empty"
    try:
        found = regex.search(pattern, text, timeout=MATCH_S)
    except TimeoutError:
        raise CheckFailed(
            f"the expression {pattern!r} was not done within {MATCH_S:g} s on {shown}: write one without nested repeats"
        ) from None
    return Match(found is not None, shown)


def parse_status(text: str | int) -> list[tuple[int, int]]:
    """
    Read which HTTP statuses are expected: ranges, both ends included.

    >>> parse_status("200, 300-399")
    [(200, 200), (300, 399)]

    Raises:
        ValueError: not written so, or outside 100 … 599.
    """
    ranges = []
    for part in str(text).split(","):
        found = re.fullmatch(r"\s*(\d{3})\s*(?:[-–]\s*(\d{3})\s*)?", part)  # noqa: RUF001  people type both dashes
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 100 <= low <= high <= 599:
            raise ValueError(f"`status` is {text!r}: write 200, 200-399, or several of them with commas")
        ranges.append((low, high))
    return ranges


def show_status(ranges: list[tuple[int, int]]) -> str:
    """Write ranges of statuses for people, with the dash that is for ranges."""
    return ", ".join(str(low) if low == high else f"{low}\N{EN DASH}{high}" for low, high in ranges)


def shown(seconds: float) -> str:
    """
    Write a short time for people.

    >>> shown(0.0123), shown(2.5)
    ('12.3 ms', '2.50 s')
    """
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


def tls_context(verify: bool, ca_file: str = "") -> ssl.SSLContext:
    """
    Return how to speak TLS: with the certificates of the system, those of a file, or whoever answers.

    Raises:
        CheckFailed: the file cannot be read or has no certificates.
    """
    if not verify or not ca_file:
        return _context(verify, "", 0)
    try:
        return _context(True, ca_file, Path(ca_file).expanduser().stat().st_mtime_ns)
    except (OSError, ssl.SSLError) as error:
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise CheckFailed(f"`ca_file` {ca_file} cannot be used ({why}): it must hold certificates in PEM") from None


@lru_cache(maxsize=64)
def _context(verify: bool, ca_file: str, changed: int) -> ssl.SSLContext:
    """Reading the system's certificates takes 20 ms: once is enough. A file that changed is read again."""
    context = ssl.create_default_context(cafile=str(Path(ca_file).expanduser()) if ca_file else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def explain(error: BaseException, host: str) -> str:
    """Return one line that says how a connection or request to `host` failed; no two ways read the same."""
    for kind, tell in _WAYS:
        if isinstance(error, kind):
            return tell(error, host)
    return f"request to {host} failed: {type(error).__name__}: {error}"


def _no_connection(error: OSError, host: str) -> str:
    # Several addresses were tried: the numbers stand in the text only.
    numbers = {int(n) for n in re.findall(r"\[Errno (\d+)\]", str(error))} or {error.errno or 0}
    if numbers == {errno.ECONNREFUSED}:
        return f"connection refused by {host}: nothing listens there"
    if errno.ECONNRESET in numbers or errno.EPIPE in numbers:
        return f"{host} reset the connection"
    if isinstance(error, socket.gaierror):
        return unknown(host, error)
    return f"no connection to {host}: {error.strerror or error}"


def _certificate(error: BaseException, host: str) -> str:
    return f"certificate of {host} refused: {getattr(error, 'verify_message', '') or error}"


def _tls(error: BaseException, host: str) -> str:
    reason = getattr(error, "reason", "") or str(error)
    return f"no TLS with {host}: {reason.replace('_', ' ').lower()}"


_WAYS: list[tuple[type[BaseException], Callable[[Any, str], str]]] = [
    (aiohttp.ClientConnectorDNSError, lambda e, host: unknown(e.host, e.os_error)),
    (aiohttp.ClientConnectorCertificateError, lambda e, host: _certificate(e.certificate_error, host)),
    (ssl.SSLCertVerificationError, lambda e, host: _certificate(e, host)),
    (aiohttp.ClientSSLError, lambda e, host: _tls(e.os_error, host)),
    (ssl.SSLError, lambda e, host: _tls(e, host)),
    (aiohttp.TooManyRedirects, lambda e, host: f"more than {len(e.history)} redirects from {host}"),
    (aiohttp.ServerDisconnectedError, lambda e, host: f"{host} closed the connection without an answer"),
    (aiohttp.ClientPayloadError, lambda e, host: f"the body from {host} broke off before its end"),
    (aiohttp.ClientResponseError, lambda e, host: f"{host} does not answer in HTTP: {e.message.partition(chr(10))[0]}"),
    (aiohttp.InvalidURL, lambda e, host: f"not a URL that can be asked: {e.description or 'wrong host or port'}"),
    (OSError, _no_connection),
    (UnicodeError, lambda e, host: f"not a URL that can be asked: {host!r} is no name of a host"),
]
"""The ways to fail, the special ones before those that they are kinds of."""
