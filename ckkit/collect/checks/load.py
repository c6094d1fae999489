"""`load`: how many processes run or wait, averaged by the kernel."""

import os
from pathlib import Path
from typing import ClassVar

import msgspec

from ckkit.errors import CheckFailed
from ckkit.model import Metric, Node, Outcome


def parse(text: str) -> dict[str, float]:
    """
    Read the text of /proc/loadavg (see man 5 proc_loadavg).

    >>> parse("0.13 0.15 0.10 1/92 7740")
    {'load_1m': 0.13, 'load_5m': 0.15, 'load_15m': 0.1}
    """
    try:
        one, five, fifteen = map(float, text.split()[:3])
    except ValueError:
        raise CheckFailed(f"/proc/loadavg says {text[:80]!r}, not three numbers first") from None
    return {"load_1m": one, "load_5m": five, "load_15m": fifteen}


class Load:
    name: ClassVar[str] = "load"
    help: ClassVar[str] = "How many processes run or wait for a processor or a disk, averaged by the kernel."
    local: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="load_1m", help="over the last minute"),
        Metric(name="load_5m", help="over the last 5 minutes"),
        Metric(name="load_15m", help="over the last 15 minutes"),
        Metric(name="load_per_processor", help="load_1m divided by the number of processors"),
    )

    class Params(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """None."""

    def __init__(self, proc: Path = Path("/proc"), processors: int | None = None) -> None:
        self._loadavg = proc / "loadavg"
        self._processors = processors or os.cpu_count() or 1

    def instances(self) -> tuple[str, ...]:
        return ("",)

    def run(self, node: Node, params: Params, instance: str, timeout_s: float) -> Outcome:
        values = parse(self._loadavg.read_text())
        shown = " ".join(f"{v:.2f}" for v in values.values())
        values["load_per_processor"] = values["load_1m"] / self._processors
        return Outcome(values=values, status=f"{shown} on {self._processors} processors")
