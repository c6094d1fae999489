"""Which file systems of this machine are real, and the counters of their devices. Not a check: `disk` uses it."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

PSEUDO = frozenset(
    {"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"}
    | {"fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs", "selinuxfs"}
    | {"sysfs", "tmpfs", "tracefs"}
)
IMAGES = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs"})  # always full: nothing to watch
ELSEWHERE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "glusterfs"})  # their server's
OTHERS = ("/proc/", "/sys/", "/dev/", "/run/", "/var/lib/docker/", "/var/lib/containers/", "/var/lib/kubelet/")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo. `root` is the folder of the file system that is seen at `point`."""

    point: str
    device: str
    root: str
    kind: str
    source: str


def parse(text: str) -> list[Mount]:
    """
    Read the text of /proc/self/mountinfo (see man 5 proc_pid_mountinfo), in order.

    >>> parse("36 35 98:0 / /my\\\\040disk rw,noatime master:1 - ext4 /dev/sda1 rw\\n")
    [Mount(point='/my disk', device='98:0', root='/', kind='ext4', source='/dev/sda1')]
    """
    found = []
    for line in text.splitlines():
        words = line.split(" ")
        if "-" not in words[6:]:
            continue
        after = words.index("-", 6)
        kind, source = words[after + 1 : after + 3]
        found.append(Mount(_plain(words[4]), words[2], _plain(words[3]), kind, _plain(source)))
    return found


def _plain(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), text)


def real(mounts: list[Mount]) -> list[Mount]:
    """
    Return the mounts that are worth watching, one a file system, by mount point.

    Of several mounts of one device (bind mounts, subvolumes) the one that shows its root is taken, else the shortest.
    `/` is always among them, also where it is a container's overlay.
    """
    best: dict[str, Mount] = {}
    for mount in mounts:
        if not _counts(mount):
            continue
        known = best.get(mount.device)
        if known is None or _rank(mount) < _rank(known):
            best[mount.device] = mount
    return sorted(best.values(), key=lambda m: m.point)


def _counts(mount: Mount) -> bool:
    if mount.point == "/":
        return mount.kind not in {"rootfs"}
    if mount.kind in PSEUDO | IMAGES | ELSEWHERE or mount.kind.startswith(("fuse.", "overlay")):
        return False
    return not f"{mount.point}/".startswith(OTHERS)


def _rank(mount: Mount) -> tuple[bool, bool, int, str]:
    return (mount.point != "/", mount.root != "/", len(PurePosixPath(mount.point).parts), mount.point)


def sectors(text: str) -> dict[str, tuple[int, int]]:
    """
    Read the text of /proc/diskstats (see man 5 proc_diskstats): bytes read and written, by `major:minor`.

    >>> sectors(" 254 0 vda 9 0 100 5 7 0 50 6 0 0 0\\n")
    {'254:0': (51200, 25600)}
    """
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 10:
            # A sector is 512 bytes here, whatever the disk's own sectors are.
            found[f"{words[0]}:{words[1]}"] = (int(words[5]) * 512, int(words[9]) * 512)
    return found
