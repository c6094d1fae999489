"""The ping check: by a socket of its own in a network of its own, by the program, and with neither."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ckkit.collect.checks.icmp import answered, request
from ckkit.collect.checks.ping import parse
from ckkit.errors import CheckFailed

RUN = """
import asyncio, json, sys
from ckkit.collect.checks.ping import Ping
from ckkit.errors import CkkitError
from ckkit.model import Node
program, timeout_s, *hosts = sys.argv[1:]
async def main():
    kind = Ping(program=program)
    for host in hosts:
        try:
            found = await kind.run(Node(name="n"), kind.Params(count=2, host=host), "", float(timeout_s))
            print(json.dumps([str(found.state), found.status, found.values]))
        except CkkitError as error:
            print(json.dumps(["failed", error.message, {}]))
    await kind.close()
asyncio.run(main())
"""


@pytest.fixture
def lonely(needs: Callable[[str], Path]) -> Callable[..., list[tuple[str, str, dict[str, float]]]]:
    """
    Run pings in a network that has only a loopback, where everybody or nobody may open an ICMP socket.

    The addresses 198.51.100.* lead to the loopback too, and nobody has them.
    """
    unshare, ip = needs("unshare"), needs("ip")
    inside = [unshare, "-n"] if os.geteuid() == 0 else [unshare, "-rn"]
    probe = subprocess.run([*inside, ip, "link", "set", "lo", "up"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"no network namespace can be made here: {probe.stderr.strip()}")

    def run(allowed: bool, program: str, timeout_s: float, *hosts: str) -> list[tuple[str, str, dict[str, float]]]:
        groups = "0 2147483647" if allowed else "1 0"
        network = f"{ip} link set lo up; {ip} route add 198.51.100.0/24 dev lo"
        script = f'{network}; echo "{groups}" > /proc/sys/net/ipv4/ping_group_range; exec "$@"'
        done = subprocess.run(
            [
                *inside,
                "sh",
                "-c",
                script,
                "sh",
                sys.executable,
                "-W",
                "error",
                "-c",
                RUN,
                program,
                str(timeout_s),
                *hosts,
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0 and not done.stderr, done.stderr
        return [tuple(json.loads(line)) for line in done.stdout.splitlines()]

    return run


def test_by_a_socket_of_its_own(lonely: Callable[..., list[tuple[str, str, dict[str, float]]]]) -> None:
    v4, v6, away = lonely(True, "no-such-program", 1.0, "127.0.0.1", "::1", "203.0.113.1")
    for state, status, values in (v4, v6):
        assert state == "ok" and "2 of 2 echoes answered" in status
        assert 0 < values["rtt_seconds"] < 0.1 and values["loss_ratio"] == 0
    assert away[0] == "failed" and "no connection to 203.0.113.1: Network is unreachable" in away[1]


def test_an_address_that_nobody_has_loses_every_echo(
    lonely: Callable[..., list[tuple[str, str, dict[str, float]]]],
) -> None:
    ((state, status, values),) = lonely(True, "no-such-program", 0.6, "198.51.100.7")
    assert (state, values) == ("err", {"loss_ratio": 1.0})
    assert status == "no answer from 198.51.100.7 to 2 echoes"


def test_by_the_program(
    lonely: Callable[..., list[tuple[str, str, dict[str, float]]]], needs: Callable[[str], Path]
) -> None:
    (found,) = lonely(False, str(needs("ping")), 3.0, "127.0.0.1")
    assert found[0] == "ok", found
    assert "2 of 2 echoes answered by 127.0.0.1" in found[1]
    assert 0 < found[2]["rtt_seconds"] < 0.1


def test_with_neither_the_way_out_is_named(lonely: Callable[..., list[tuple[str, str, dict[str, float]]]]) -> None:
    ((state, status, _),) = lonely(False, "no-such-program", 1.0, "127.0.0.1")
    assert state == "failed"
    assert 'set the sysctl net.ipv4.ping_group_range="0 2147483647", or install iputils-ping' in status


def test_a_program_that_never_ends_is_killed(
    lonely: Callable[..., list[tuple[str, str, dict[str, float]]]], tmp_path: Path
) -> None:
    fake = tmp_path / "ping"
    fake.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nwhile true; do echo yes; done\n")
    fake.chmod(0o755)
    ((state, status, values),) = lonely(False, str(fake), 0.5, "127.0.0.1")
    assert (state, values, status) == ("err", {"loss_ratio": 1.0}, "no answer from 127.0.0.1 to 2 echoes")
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


@pytest.mark.parametrize(
    ("packet", "sequence"),
    [
        (bytes([0, 0, 1, 1, 9, 9, 0, 5]) + b"token", 5),
        (bytes([8, 0, 1, 1, 9, 9, 0, 5]) + b"token", None),  # a request, not an answer
        (bytes([0, 0, 1, 1, 9, 9, 0, 5]) + b"other", None),  # somebody else's
        (b"\0\0", None),  # too short
    ],
)
def test_which_packets_answer(packet: bytes, sequence: int | None) -> None:
    assert answered(socket.AF_INET, packet, b"token") == sequence
    assert request(socket.AF_INET, 5, b"token") == bytes([8, 0, 0, 0, 0, 0, 0, 5]) + b"token"


def test_a_program_that_says_something_else() -> None:
    with pytest.raises(CheckFailed, match="ping says: ping: socktype: SOCK_RAW"):
        parse("ping: socktype: SOCK_RAW\n")
    assert parse("2 packets transmitted, 0 received, 100% packet loss, time 1001ms").rtts == []
