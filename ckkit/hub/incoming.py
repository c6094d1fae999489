"""What comes in with a request: bodies within their limits, and what its query says."""

from typing import Any

import pyarrow as pa
from aiohttp import web

from ckkit.errors import CkkitError, Invalid, Refused


async def body(request: web.Request, most: int) -> bytes:
    """Return the whole body. Raises Refused where it is longer than `most` bytes; what is left of it is not read."""
    length = request.content_length
    if length is not None and length > most:
        raise _too_long(most)
    found = bytearray()
    async for chunk in request.content.iter_any():
        found += chunk
        if len(found) > most:
            raise _too_long(most)
    return bytes(found)


def _too_long(most: int) -> CkkitError:
    return Refused(f"this request is longer than {most >> 20} MiB: send it in several", most=most)


def table(body: bytes) -> Any:
    """Return the Arrow table that a body is. Raises Invalid where it is not a whole stream."""
    try:
        return pa.ipc.open_stream(body).read_all()
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise Invalid(f"the body of an append must be a whole Arrow stream: {error}") from None


def asked(request: web.Request, name: str) -> str:
    """Return a part of the query of an append. Raises Invalid where it is missing."""
    found = request.query.get(name, "")
    if not found:
        raise Invalid(f"an append says its `{name}`: ?source=NAME&boot=TEXT&sequence=NUMBER")
    return str(found)


def number(request: web.Request, name: str) -> int:
    """Return a part of the query that is a number. Raises Invalid where it is none."""
    found = asked(request, name)
    if not found.isascii() or not found.isdigit():
        raise Invalid(f"`{name}` is {found!r}: it must be a whole number, 0 or more")
    if int(found) >= 1 << 63:
        raise Invalid(f"`{name}` is {found}: it must be less than 2^63")
    return int(found)
