"""`disk`: how full a file system of this machine is, and what is read from and written to its device."""

import os
from pathlib import Path
from typing import ClassVar

import msgspec

from ckkit.collect.checks.mounts import Mount, parse, real, sectors
from ckkit.collect.checks.rates import Rates
from ckkit.errors import CheckFailed
from ckkit.model import Metric, Node, Outcome


def usage(found: os.statvfs_result) -> dict[str, float]:
    """
    Return what statvfs(3) says, in bytes and ratios.

    Used is of what a user can have, as `df` counts: blocks kept for root are neither used nor free. A file system
    without a fixed number of inodes (btrfs) has no ratio of them.
    """
    used, free = found.f_blocks - found.f_bfree, found.f_bavail
    values = {
        "used_ratio": used / (used + free) if used + free else 0.0,
        "used_bytes": used * found.f_frsize,
        "free_bytes": free * found.f_frsize,
        "total_bytes": found.f_blocks * found.f_frsize,
    }
    if found.f_files:
        values["inodes_used_ratio"] = (found.f_files - found.f_ffree) / found.f_files
    return values


class Disk:
    name: ClassVar[str] = "disk"
    help: ClassVar[str] = "How full a file system of this machine is, and what is read from and written to its device."
    local: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="used_ratio", unit="ratio", help="of what users can have, as df counts"),
        Metric(name="used_bytes", unit="bytes", help="in files"),
        Metric(name="free_bytes", unit="bytes", help="what users can still write"),
        Metric(name="total_bytes", unit="bytes", help="the file system's size"),
        Metric(name="inodes_used_ratio", unit="ratio", help="inodes in use; absent where they are not limited"),
        Metric(name="read_bytes_per_second", unit="bytes/s", help="from the device, since the last run"),
        Metric(name="write_bytes_per_second", unit="bytes/s", help="to the device, since the last run"),
    )

    class Params(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """None: the instance names the mount point."""

    def __init__(self, proc: Path = Path("/proc"), rates: Rates | None = None) -> None:
        self._proc = proc
        self._rates = rates or Rates()

    def instances(self) -> tuple[str, ...]:
        """Return the mount points of real file systems, one a file system."""
        return tuple(m.point for m in real(self._mounts()) if os.path.isdir(m.point))

    def run(self, node: Node, params: Params, instance: str, timeout_s: float) -> Outcome:
        # The last mount of a point is the one that is seen there.
        mount = next((m for m in reversed(self._mounts()) if m.point == instance), None)
        if mount is None:
            known = ", ".join(self.instances())
            raise CheckFailed(f"nothing is mounted at {instance!r}: there are {known}")
        try:
            values = usage(os.statvfs(instance))
        except OSError as error:
            raise CheckFailed(f"{instance}: {error.strerror}") from None
        values |= self._traffic(node, mount)
        return Outcome(
            values=values,
            status=f"used: {values['used_ratio']:.1%} of {values['total_bytes'] / 2**30:.1f} GiB, "
            f"free: {values['free_bytes'] / 2**30:.1f} GiB ({mount.kind})",
        )

    def _mounts(self) -> list[Mount]:
        return parse((self._proc / "self" / "mountinfo").read_text())

    def _traffic(self, node: Node, mount: Mount) -> dict[str, float]:
        """Return the rates of the device; nothing where it has no counters, or at the first look."""
        known = sectors((self._proc / "diskstats").read_text()).get(mount.device)
        if known is None:
            return {}
        rates = self._rates.since_last(f"{node.name}{mount.point}", {"read": known[0], "write": known[1]})
        return {f"{way}_bytes_per_second": rate for way, rate in rates.items()}
