"""The checks of this machine: their parsers on captured files, and each of them on the machine that runs the tests."""

import asyncio
import inspect
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.collect.checks import cpu, disk, load, memory, mounts, network, processes
from ckkit.collect.checks.rates import Rates
from ckkit.errors import CheckFailed
from ckkit.model import Node, Outcome, State

PROC = Path(__file__).parents[1] / "golden" / "proc"
NODE = Node(name="here")


def run(kind: Any, instance: str = "") -> Outcome:
    found = kind.run(NODE, kind.Params(), instance, 5.0)
    outcome = asyncio.run(found) if inspect.iscoroutine(found) else found
    assert isinstance(outcome, Outcome)
    return outcome


def test_memory_of_a_captured_machine() -> None:
    found = run(memory.Memory(PROC))
    assert found.values["total_bytes"] == 24_683_656 * 1024
    assert found.values["used_bytes"] == found.values["total_bytes"] - found.values["available_bytes"]
    assert 0 < found.values["used_ratio"] < 0.1
    assert found.values["swap_total_bytes"] == 0
    assert found.status.startswith("memory used: 1.6% of 23.5 GiB")


def test_memory_where_the_kernel_does_not_say_what_is_available() -> None:
    text = "MemTotal: 1000 kB\nMemFree: 300 kB\nBuffers: 50 kB\nCached: 100 kB\nSReclaimable: 50 kB\n"
    assert memory.available(memory.parse(text)) == 500 * 1024


def test_memory_without_a_total_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("nonsense\n")
    with pytest.raises(CheckFailed, match="no line MemTotal"):
        run(memory.Memory(tmp_path))


def test_load_of_a_captured_machine() -> None:
    found = run(load.Load(PROC, processors=4))
    one = found.values["load_1m"]
    assert list(found.values) == ["load_1m", "load_5m", "load_15m", "load_per_processor"]
    assert found.values["load_per_processor"] == one / 4
    assert found.status.endswith("on 4 processors")


def test_processes_of_a_captured_machine() -> None:
    """Three: one sleeps in 11 threads, one runs under a name with parentheses, one is a zombie."""
    assert run(processes.Processes(PROC)).values == {
        "total": 3.0,
        "running": 1.0,
        "sleeping": 1.0,
        "zombie": 1.0,
        "threads": 13.0,
    }


def test_network_of_a_captured_machine() -> None:
    kind = network.Network(PROC)
    assert kind.instances() == ("eth0",)  # neither lo nor ifb0
    values = run(kind, "eth0").values
    assert (values["received_bytes_total"], values["sent_bytes_total"]) == (731_778_789, 1_486_730)
    assert values["received_errors_total"] == values["sent_drops_total"] == 0
    with pytest.raises(CheckFailed, match="no interface 'eth7': there are eth0, ifb0, ifb1, lo"):
        run(kind, "eth7")


def test_network_rates_are_over_the_time_between_two_runs(tmp_path: Path) -> None:
    line = "x\nx\n eth0:{received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n"
    (tmp_path / "net").mkdir()
    dev = tmp_path / "net" / "dev"
    now = iter([100.0, 110.0, 120.0])
    kind = network.Network(tmp_path, Rates(lambda: next(now)))
    dev.write_text(line.format(received=1_000, sent=50))
    assert "received_bytes_per_second" not in run(kind, "eth0").values
    dev.write_text(line.format(received=3_000, sent=50))
    second = run(kind, "eth0").values
    assert (second["received_bytes_per_second"], second["sent_bytes_per_second"]) == (200.0, 0.0)
    dev.write_text(line.format(received=10, sent=60))  # the interface was made anew: its counter began again
    third = run(kind, "eth0").values
    assert "received_bytes_per_second" not in third and third["sent_bytes_per_second"] == 1.0


def test_real_mounts_of_a_captured_machine() -> None:
    """Besides `/`: a disk with a space in its name. Not: tmpfs, cgroups, a bind mount of /usr, an overlay."""
    found = mounts.real(mounts.parse((PROC / "self" / "mountinfo").read_text()))
    assert [(m.point, m.device, m.kind, m.source) for m in found] == [
        ("/", "254:0", "ext4", "/dev/vda"),
        ("/srv/ck data", "7:0", "ext4", "/dev/loop0"),
    ]


@pytest.mark.parametrize(
    ("lines", "points"),
    [
        (["1 0 0:50 / / rw - overlay overlay rw"], ["/"]),  # a container
        (["1 0 8:1 / / rw - ext4 /dev/sda1 rw", "2 1 0:30 / /mnt/nfs rw - nfs4 srv:/x rw"], ["/"]),  # its server's
        (["1 0 8:1 / / rw - ext4 /dev/sda1 rw", "2 1 7:3 / /snap/x/1 ro - squashfs /dev/loop3 ro"], ["/"]),
        (["1 0 8:2 /etc/hosts /etc/hosts rw - xfs /dev/sdb rw", "2 0 8:2 / /data rw - xfs /dev/sdb rw"], ["/data"]),
        (["1 0 0:9 / /tank rw - zfs tank rw", "2 0 0:10 / /tank/a rw - zfs tank/a rw"], ["/tank", "/tank/a"]),
        (["1 0 8:9 / /var/lib/docker/x rw - ext4 /dev/sdc rw"], []),
        (["not a line of mountinfo", ""], []),
    ],
)
def test_which_mounts_are_real(lines: list[str], points: list[str]) -> None:
    assert [m.point for m in mounts.real(mounts.parse("\n".join(lines)))] == points


def test_disk_says_what_df_says() -> None:
    df = shutil.disk_usage("/")
    values = run(disk.Disk(), "/").values
    assert values["total_bytes"] == df.total
    assert values["used_bytes"] == pytest.approx(df.used, rel=0.05)
    assert values["used_ratio"] == pytest.approx(df.used / (df.used + df.free), abs=0.01)


def test_disk_of_a_folder_that_is_no_mount_names_those_that_are() -> None:
    with pytest.raises(CheckFailed, match=r"nothing is mounted at '/nowhere': there are .*/"):
        run(disk.Disk(), "/nowhere")


def test_disk_without_fixed_inodes_has_no_ratio_of_them() -> None:
    found = os.statvfs_result((4096, 4096, 100, 40, 30, 0, 0, 0, 0, 255))
    assert disk.usage(found) == {
        "used_ratio": 60 / 90,
        "used_bytes": 60 * 4096,
        "free_bytes": 30 * 4096,
        "total_bytes": 100 * 4096,
    }


def test_disk_traffic_of_a_captured_machine() -> None:
    assert mounts.sectors((PROC / "diskstats").read_text())["254:0"] == (6_131_218 * 512, 9_355_400 * 512)


def test_cpu_ratios_between_two_looks() -> None:
    after = cpu.parse((PROC / "stat").read_text())
    assert after == cpu.Ticks(user=116_858, system=9_599, idle=430_166, iowait=1_206, steal=292)
    values = cpu.ratios(cpu.Ticks(0, 0, 0, 0, 0), after)
    assert values["busy_ratio"] == pytest.approx((116_858 + 9_599 + 292) / 558_121)


ticks = st.builds(cpu.Ticks, *[st.integers(0, 10**9)] * 5)


@given(ticks, ticks)
def test_cpu_ratios_sum_to_one_whatever_the_kernel_counts(before: cpu.Ticks, after: cpu.Ticks) -> None:
    try:
        values = cpu.ratios(before, after)
    except CheckFailed:
        return  # nothing moved forward
    parts = [values[f"{name}_ratio"] for name in ("user", "system", "idle", "iowait", "steal")]
    assert sum(parts) == pytest.approx(1)
    assert all(0 <= part <= 1 for part in [*parts, values["busy_ratio"]])


def test_a_busy_processor_is_seen() -> None:
    """A thread's second of work on this very machine shows as at least its share of one processor."""
    kind = cpu.Cpu()

    async def look() -> Outcome:
        await kind.run(NODE, kind.Params(), "", 5.0)
        sum(n * n for n in range(4_000_000))
        return await kind.run(NODE, kind.Params(), "", 5.0)

    values = asyncio.run(look()).values
    assert values["busy_ratio"] >= 0.5 / (os.cpu_count() or 1)


@pytest.mark.parametrize("kind", [cpu.Cpu, disk.Disk, load.Load, memory.Memory, network.Network, processes.Processes])
def test_each_measures_this_machine(kind: Any) -> None:
    one = kind()
    declared = {metric.name for metric in one.metrics}
    for instance in one.instances():
        for outcome in (run(one, instance), run(one, instance)):
            assert outcome.state is State.OK
            assert outcome.status and outcome.values
            assert outcome.values.keys() <= declared


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (cpu.parse, "cpux 1 2 3 4", "not `cpu` and its times"),
        (load.parse, "a b", "not three numbers first"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_was_found(parse: Any, text: str, said: str) -> None:
    with pytest.raises(CheckFailed, match=said):
        parse(text)
