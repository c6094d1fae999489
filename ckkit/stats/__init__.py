"""Counting what a process does, and telling it: `Counters`, and the text that Prometheus reads."""

from ckkit.stats.counters import Counters, Stat
from ckkit.stats.exposition import text

__all__ = ["Counters", "Stat", "text"]
