"""Per-second rates of counters that only the last run knows. Not a check: `disk` and `network` use it."""

import time
from collections.abc import Callable, Mapping


class Rates:
    """Remembers, for each key, the counters of the last look."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: dict[str, tuple[float, dict[str, int]]] = {}

    def since_last(self, key: str, counters: Mapping[str, int]) -> dict[str, float]:
        """
        Return the rate per second of each counter since the last look at `key`; nothing at the first.

        A counter that went back (a driver loaded anew, a machine restarted) has no rate this time.

        >>> now = iter([0.0, 2.0])
        >>> rates = Rates(lambda: next(now))
        >>> rates.since_last("eth0", {"sent": 100}), rates.since_last("eth0", {"sent": 300})
        ({}, {'sent': 100.0})
        """
        now = self._clock()
        at, before = self._before.get(key, (now, {}))
        self._before[key] = (now, dict(counters))
        seconds = now - at
        if seconds <= 0:
            return {}
        return {
            name: (value - before[name]) / seconds
            for name, value in counters.items()
            if name in before and value >= before[name]
        }
