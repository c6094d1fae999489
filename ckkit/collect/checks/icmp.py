"""
Echoes (ping) by an unprivileged ICMP socket (see man 7 icmp). Not a check: `ping` uses it.

The kernel fills in identifier and checksum, gives each socket only its own answers,
and notes when they came: a loop that is busy does not make the network look slow.
"""

import asyncio
import os
import socket
import struct
import time
from dataclasses import dataclass, field

from ckkit.collect.names import Found

SO_TIMESTAMPNS = 35  # not in the socket module: have the kernel say when a packet came, in ns
INTERVAL_S = 0.1
REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}


@dataclass(slots=True)
class Echoes:
    """What came back: `rtts` in seconds, in order of arrival, of `sent` echoes."""

    sent: int = 0
    rtts: list[float] = field(default_factory=list)


def request(family: int, sequence: int, token: bytes) -> bytes:
    """Return an echo request; the kernel fills in the checksum and the identifier."""
    return struct.pack("!BBHHH", REQUEST[socket.AddressFamily(family)], 0, 0, 0, sequence) + token


def answered(family: int, packet: bytes, token: bytes) -> int | None:
    """
    Return the sequence that a packet answers, or None where it is no answer to our token.

    >>> answered(socket.AF_INET, bytes([0, 0, 0, 0, 0, 7, 0, 3]) + b"mine", b"mine")
    3
    """
    if len(packet) < 8 or packet[0] != REPLY[socket.AddressFamily(family)] or packet[8:] != token:
        return None
    return int.from_bytes(packet[6:8], "big")


async def echo(to: Found, count: int, timeout_s: float) -> Echoes:
    """
    Send `count` echoes, a tenth of a second apart, and wait for their answers until the time is over.

    Raises:
        PermissionError: this user may not open such a socket (sysctl net.ipv4.ping_group_range).
        OSError: the network refuses to send.
    """
    family = to.family
    with socket.socket(family, socket.SOCK_DGRAM, PROTOCOL[family]) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.connect(to.sockaddr)
        echoes, token = Echoes(), os.urandom(16)
        listening = asyncio.create_task(_listen(sock, family, token, count, echoes, sent := {}))
        try:
            async with asyncio.timeout(timeout_s):
                for sequence in range(count):
                    sent[sequence] = time.time_ns()
                    sock.send(request(family, sequence, token))
                    echoes.sent += 1
                    if sequence + 1 < count:
                        await asyncio.sleep(INTERVAL_S)
                await listening
        except TimeoutError:
            pass
        finally:
            listening.cancel()
            await asyncio.wait({listening})
        return echoes


async def _listen(
    sock: socket.socket, family: int, token: bytes, count: int, echoes: Echoes, sent: dict[int, int]
) -> None:
    waiting = set(range(count))
    while waiting:
        packet, came = await _receive(sock)
        sequence = answered(family, packet, token)
        if sequence in waiting and sequence in sent:
            waiting.discard(sequence)  # a duplicate counts once
            echoes.rtts.append(max(0.0, (came - sent[sequence]) / 1e9))


def _wake(readable: "asyncio.Future[None]") -> None:
    if not readable.done():
        readable.set_result(None)


async def _receive(sock: socket.socket) -> tuple[bytes, int]:
    """Return a packet and when it came, in ns since the epoch."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            packet, extra, _, _ = sock.recvmsg(2048, socket.CMSG_SPACE(16))
        except BlockingIOError:
            readable = loop.create_future()
            loop.add_reader(sock, _wake, readable)
            try:
                await readable
            finally:
                loop.remove_reader(sock)
            continue
        for level, kind, content in extra:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(content) >= 16:
                seconds, nanoseconds = struct.unpack("@qq", content[:16])
                return packet, seconds * 1_000_000_000 + nanoseconds
        return packet, time.time_ns()
