"""`network`: what an interface of this machine received and sent."""

from pathlib import Path
from typing import ClassVar

import msgspec

from ckkit.collect.checks.rates import Rates
from ckkit.errors import CheckFailed
from ckkit.model import Metric, Node, Outcome

FIELDS = {
    "received_bytes_total": 0,
    "received_errors_total": 2,
    "received_drops_total": 3,
    "sent_bytes_total": 8,
    "sent_errors_total": 10,
    "sent_drops_total": 11,
}
"""Which number after the interface's name is which counter."""

INNER = ("lo", "veth", "ifb", "dummy")
"""The loopback, the ends of containers' cables, and what traffic shaping and tests make."""


def parse(text: str) -> dict[str, dict[str, int]]:
    """
    Read the text of /proc/net/dev (see man 5 proc_net): the counters by interface.

    >>> parse("Inter-|\\n face |\\n  eth0: 10 1 0 2 0 0 0 0 20 1 0 0 0 0 0 0\\n")["eth0"]["received_drops_total"]
    2
    """
    found = {}
    for line in text.splitlines()[2:]:
        # The counters may follow the colon without a space, and an alias has a colon in its name.
        name, _, rest = line.rpartition(":")
        numbers = rest.split()
        if len(numbers) >= 16:
            found[name.strip()] = {counter: int(numbers[at]) for counter, at in FIELDS.items()}
    return found


class Network:
    name: ClassVar[str] = "network"
    help: ClassVar[str] = "What an interface of this machine received and sent."
    local: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="received_bytes_per_second", unit="bytes/s", help="since the last run"),
        Metric(name="sent_bytes_per_second", unit="bytes/s", help="since the last run"),
        *(
            Metric(
                name=name,
                kind="counter",
                exact=True,
                unit="bytes" if "bytes" in name else "",
                help="since the interface came up",
            )
            for name in FIELDS
        ),
    )

    class Params(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """None: the instance names the interface."""

    def __init__(self, proc: Path = Path("/proc"), rates: Rates | None = None) -> None:
        self._dev = proc / "net" / "dev"
        self._rates = rates or Rates()

    def instances(self) -> tuple[str, ...]:
        """Return the interfaces that lead somewhere, by name."""
        return tuple(sorted(n for n in parse(self._dev.read_text()) if not n.startswith(INNER)))

    def run(self, node: Node, params: Params, instance: str, timeout_s: float) -> Outcome:
        interfaces = parse(self._dev.read_text())
        if instance not in interfaces:
            raise CheckFailed(f"there is no interface {instance!r}: there are {', '.join(sorted(interfaces))}")
        counters = interfaces[instance]
        rates = self._rates.since_last(f"{node.name}/{instance}", counters)
        values: dict[str, float] = dict(counters)
        for way in ("received", "sent"):
            if f"{way}_bytes_total" in rates:
                values[f"{way}_bytes_per_second"] = rates[f"{way}_bytes_total"]
        wrong = sum(n for name, n in counters.items() if "errors" in name)
        shown = ", ".join(f"{w} {values.get(f'{w}_bytes_per_second', 0) / 1000:.1f} kB/s" for w in ("received", "sent"))
        return Outcome(values=values, status=f"{shown if rates else 'first look'}, {wrong} errors since it came up")
