"""`cpu`: what the processors of this machine did since the last run."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from ckkit.errors import CheckFailed
from ckkit.model import Metric, Node, Outcome

SAMPLE_S = 0.25
"""The shortest time to look over: the first run's, since nothing is known of the time before it."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """What the processors did since the machine started, in ticks, summed over them. `system` includes interrupts."""

    user: int
    system: int
    idle: int
    iowait: int
    steal: int

    @property
    def total(self) -> int:
        return self.user + self.system + self.idle + self.iowait + self.steal


def parse(text: str) -> Ticks:
    """
    Read the first line of /proc/stat (see man 5 proc_stat). `guest` is part of `user` there, so it is not added.

    >>> parse("cpu  100 5 30 800 10 2 3 50 40 0")
    Ticks(user=105, system=35, idle=800, iowait=10, steal=50)

    Raises:
        CheckFailed: the text does not start with the line of all processors.
    """
    words = text.partition("\n")[0].split()
    if len(words) < 5 or words[0] != "cpu":
        raise CheckFailed(f"the first line of /proc/stat is {' '.join(words)[:80]!r}, not `cpu` and its times")
    user, nice, system, idle, iowait, irq, softirq, steal = (*map(int, words[1:9]), 0, 0, 0, 0)[:8]
    return Ticks(user + nice, system + irq + softirq, idle, iowait, steal)


def ratios(before: Ticks, after: Ticks) -> dict[str, float]:
    """
    Return the shares of the time between two looks: they sum to 1.

    >>> ratios(Ticks(0, 0, 0, 0, 0), Ticks(20, 5, 70, 5, 0))["busy_ratio"]
    0.25

    Busy is what is neither idle nor waiting for a disk. The kernel may count iowait and idle back a little: a
    negative share is none.
    """
    spent = {name: max(0, getattr(after, name) - getattr(before, name)) for name in Ticks.__slots__}
    total = sum(spent.values())
    if total == 0:
        raise CheckFailed("the processors' times in /proc/stat did not move since the last look")
    idle = spent["idle"] + spent["iowait"]
    return {"busy_ratio": (total - idle) / total} | {f"{name}_ratio": n / total for name, n in spent.items()}


class Cpu:
    name: ClassVar[str] = "cpu"
    help: ClassVar[str] = "What the processors of this machine did since the last run."
    local: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="busy_ratio", unit="ratio", help="neither idle nor waiting for a disk; 1 is all processors"),
        Metric(name="user_ratio", unit="ratio", help="in programs, with nice ones"),
        Metric(name="system_ratio", unit="ratio", help="in the kernel, with interrupts"),
        Metric(name="iowait_ratio", unit="ratio", help="idle while a disk is waited for"),
        Metric(name="idle_ratio", unit="ratio", help="idle"),
        Metric(name="steal_ratio", unit="ratio", help="taken by the host of this virtual machine"),
    )

    class Params(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """None."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._stat = proc / "stat"
        self._before: dict[str, tuple[Ticks, float]] = {}

    def instances(self) -> tuple[str, ...]:
        return ("",)

    async def run(self, node: Node, params: Params, instance: str, timeout_s: float) -> Outcome:
        before, since = self._before.get(node.name) or self._look()
        # The kernel counts in hundredths of a second: over less than a few of them every ratio is chance.
        await asyncio.sleep(max(0.0, SAMPLE_S - (time.monotonic() - since)))
        after, now = self._before[node.name] = self._look()
        values = ratios(before, after)
        shown = " ".join(f"{name}: {values[f'{name}_ratio']:.1%}" for name in ("user", "system", "iowait", "steal"))
        return Outcome(values=values, status=f"busy: {values['busy_ratio']:.1%} over {now - since:.1f} s, {shown}")

    def _look(self) -> tuple[Ticks, float]:
        return parse(self._stat.read_text()), time.monotonic()
