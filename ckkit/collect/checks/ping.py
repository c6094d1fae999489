"""`ping`: sends echoes, and tells how long they took and how many were lost."""

import asyncio
import re
import shutil
from typing import Annotated, ClassVar

import msgspec

from ckkit.collect.checks.icmp import Echoes, echo
from ckkit.collect.checks.web import explain, shown
from ckkit.collect.names import Found, Names
from ckkit.errors import CheckFailed, TimedOut
from ckkit.model import Metric, Node, Outcome, State

OUTPUT_BYTES = 16_384
Told = msgspec.Meta


class PingParams(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    count: Annotated[int, Told(ge=1, le=20, description="how many echoes to send")] = 3
    host: Annotated[str, Told(description="instead of the node's address")] = ""


class Ping:
    name: ClassVar[str] = "ping"
    help: ClassVar[str] = "Sends echoes (ICMP), and tells how long they took and how many were lost."
    local: ClassVar[bool] = False
    Params: ClassVar[type[msgspec.Struct]] = PingParams
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="rtt_seconds", unit="seconds", help="the mean of the round trips that came back"),
        Metric(name="loss_ratio", unit="ratio", help="of the echoes sent, those that did not come back"),
    )

    def __init__(self, names: Names | None = None, program: str = "ping") -> None:
        self._names, self._program = names or Names(), program

    def instances(self) -> tuple[str, ...]:
        return ()

    async def run(self, node: Node, params: PingParams, instance: str, timeout_s: float) -> Outcome:
        host = params.host or node.address
        try:
            async with asyncio.timeout(timeout_s):
                to = (await self._names.find(host))[0]
        except TimeoutError:
            raise TimedOut(f"time-out after {timeout_s:g} s, looking the name up ({host})") from None
        try:
            echoes = await echo(to, params.count, timeout_s)
        except PermissionError:
            echoes = await self._by_program(to, params.count, timeout_s)
        except OSError as error:
            raise CheckFailed(explain(error, host)) from None
        return _outcome(echoes, host)

    async def close(self) -> None:
        self._names.close()

    async def _by_program(self, to: Found, count: int, timeout_s: float) -> Echoes:
        """Ask the system's `ping`, which has the right to."""
        program = shutil.which(self._program)
        if program is None:
            raise CheckFailed(
                "no echo can be sent: this user may not open an ICMP socket, and there is no program `ping`. Either "
                'set the sysctl net.ipv4.ping_group_range="0 2147483647", or install iputils-ping'
            )
        process = await asyncio.create_subprocess_exec(
            *(program, "-n", "-q", "-c", str(count), "-i", "0.2", "-w", str(max(1, int(timeout_s))), to.text),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"LC_ALL": "C"},
        )
        try:
            async with asyncio.timeout(timeout_s):
                said = await _output(process)
                await process.wait()
        except TimeoutError:
            return Echoes(sent=count)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return parse(said)


async def _output(process: asyncio.subprocess.Process) -> str:
    """Return the start of what the program prints; the rest is read and thrown away, so that it can end."""
    assert process.stdout is not None
    said = b""
    while part := await process.stdout.read(OUTPUT_BYTES):
        said += part[: OUTPUT_BYTES - len(said)]
    return said.decode(errors="replace")


def parse(text: str) -> Echoes:
    """
    Read what `ping -q` prints at its end; of the round trips it tells only the mean.

    >>> parse("3 packets transmitted, 2 received, 33% packet loss\\nrtt min/avg/max/mdev = 0.1/0.5/0.7/0.1 ms")
    Echoes(sent=3, rtts=[0.0005, 0.0005])

    Raises:
        CheckFailed: it says something else.
    """
    counts = re.search(r"(\d+) packets transmitted, (\d+)(?: packets)? received", text)
    if counts is None:
        raise CheckFailed(f"ping says: {text.strip() or 'nothing'}")
    mean = re.search(r"= [\d.]+/([\d.]+)/", text)
    rtt = float(mean[1]) / 1000 if mean else 0.0
    return Echoes(sent=int(counts[1]), rtts=[rtt] * int(counts[2]))


def _outcome(echoes: Echoes, host: str) -> Outcome:
    came, sent = len(echoes.rtts), echoes.sent
    if not came:
        return Outcome(values={"loss_ratio": 1.0}, status=f"no answer from {host} to {sent} echoes", state=State.ERR)
    mean = sum(echoes.rtts) / came
    return Outcome(
        values={"rtt_seconds": mean, "loss_ratio": (sent - came) / sent},
        status=f"{came} of {sent} echoes answered by {host}, mean {shown(mean)}",
    )
