"""`memory`: how much of this machine's memory and swap is used."""

from pathlib import Path
from typing import ClassVar

import msgspec

from ckkit.errors import CheckFailed
from ckkit.model import Metric, Node, Outcome


def parse(text: str) -> dict[str, int]:
    """
    Read the text of /proc/meminfo (see man 5 proc_meminfo): bytes by name, for the lines that are in kB.

    >>> parse("MemTotal:       1024 kB\\nHugePages_Total:       0\\n")
    {'MemTotal': 1048576}
    """
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == "kB":
            found[words[0].rstrip(":")] = int(words[1]) * 1024
    return found


def available(meminfo: dict[str, int]) -> int:
    """
    Return what programs can still have without swapping.

    Inside a container whose /proc/meminfo is made by somebody else, `MemAvailable` may be missing: then what is
    free or easily freed.
    """
    if "MemAvailable" in meminfo:
        return meminfo["MemAvailable"]
    return sum(meminfo.get(name, 0) for name in ("MemFree", "Buffers", "Cached", "SReclaimable"))


class Memory:
    name: ClassVar[str] = "memory"
    help: ClassVar[str] = "How much of this machine's memory and swap is used."
    local: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="used_ratio", unit="ratio", help="what is not available, of the total"),
        Metric(name="used_bytes", unit="bytes", help="total less available"),
        Metric(name="available_bytes", unit="bytes", help="what programs can have without swapping"),
        Metric(name="total_bytes", unit="bytes", help="the memory that the kernel manages"),
        Metric(name="swap_used_bytes", unit="bytes", help="swapped out"),
        Metric(name="swap_total_bytes", unit="bytes", help="the size of the swap; 0 without one"),
    )

    class Params(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """None."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._meminfo = proc / "meminfo"

    def instances(self) -> tuple[str, ...]:
        return ("",)

    def run(self, node: Node, params: Params, instance: str, timeout_s: float) -> Outcome:
        meminfo = parse(self._meminfo.read_text())
        total, free = meminfo.get("MemTotal", 0), available(meminfo)
        if total <= 0:
            raise CheckFailed("/proc/meminfo has no line MemTotal in kB")
        swap_total = meminfo.get("SwapTotal", 0)
        used, swapped = max(0, total - free), max(0, swap_total - meminfo.get("SwapFree", 0))
        return Outcome(
            values={
                "used_ratio": used / total,
                "used_bytes": used,
                "available_bytes": free,
                "total_bytes": total,
                "swap_used_bytes": swapped,
                "swap_total_bytes": swap_total,
            },
            status=f"memory used: {used / total:.1%} of {total / 2**30:.1f} GiB, swap used: {swapped / 2**30:.2f} GiB",
        )
