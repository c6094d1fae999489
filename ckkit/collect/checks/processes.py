"""`processes`: how many processes there are on this machine, by what they do."""

from collections import Counter
from pathlib import Path
from typing import ClassVar

import msgspec

from ckkit.errors import CheckFailed
from ckkit.model import Metric, Node, Outcome

SLEEPING = "SDI"
"""Waiting for something, for a disk, and idle threads of the kernel."""


def parse(text: str) -> tuple[str, int]:
    """
    Read the text of /proc/PID/stat (see man 5 proc_pid_stat): the letter of the state and the number of threads.

    >>> parse("7 (a) b) S 1 7 7 0 -1 4194560 99 0 0 0 0 0 0 0 20 0 3 0 12 0 0")
    ('S', 3)
    """
    # The name may hold spaces and parentheses: what follows its last one is safe to split.
    words = text.rpartition(")")[2].split()
    return words[0], int(words[17])


class Processes:
    name: ClassVar[str] = "processes"
    help: ClassVar[str] = "How many processes there are on this machine, by what they do."
    local: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="total", help="processes"),
        Metric(name="running", help="running or ready to run"),
        Metric(name="sleeping", help="waiting"),
        Metric(name="zombie", help="ended, not yet looked after by their parent"),
        Metric(name="threads", help="threads of all processes"),
    )

    class Params(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """None."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    def instances(self) -> tuple[str, ...]:
        return ("",)

    def run(self, node: Node, params: Params, instance: str, timeout_s: float) -> Outcome:
        states: Counter[str] = Counter()
        threads = 0
        for folder in self._proc.iterdir():
            if not folder.name.isdigit():
                continue
            try:
                state, its_threads = parse((folder / "stat").read_text(errors="replace"))
            except (OSError, IndexError):
                continue  # it ended while we looked
            states[state] += 1
            threads += its_threads
        if not states:
            raise CheckFailed(f"no process can be seen in {self._proc}: is it mounted with hidepid?")
        values = {
            "total": float(states.total()),
            "running": float(states["R"]),
            "sleeping": float(sum(states[letter] for letter in SLEEPING)),
            "zombie": float(states["Z"]),
            "threads": float(threads),
        }
        status = f"{states.total()} processes, {states['R']} running, {states['Z']} zombies, {threads} threads"
        return Outcome(values=values, status=status)
