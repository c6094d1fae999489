"""What the collector counts of itself."""

import resource
from dataclasses import asdict, dataclass

LATE_S = 1.0


@dataclass(slots=True)
class Counters:
    """What the collector did since it started. `lag` is from a slot to the start of its run; late is over a second."""

    started: int = 0
    late: int = 0
    timeouts: int = 0
    errors: int = 0
    still_running: int = 0
    lag_seconds: float = 0.0
    lag_max_seconds: float = 0.0

    def count_start(self, lag_s: float) -> None:
        """Count a run that started `lag_s` after its slot."""
        self.started += 1
        self.late += lag_s > LATE_S
        self.lag_seconds += lag_s
        self.lag_max_seconds = max(lag_s, self.lag_max_seconds)

    def shown(self) -> dict[str, float]:
        return {name: float(value) for name, value in asdict(self).items()}


def allow_sockets() -> None:
    """Raise this process's limit of open files to what it may have: each network check under way needs a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
