"""
The seams' plugins, found by entry point: `ckkit.checks`, `ckkit.providers`, `ckkit.notifiers`.

A plugin that cannot be imported does not stop the others: it is told in `broken`.
"""

from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any


@dataclass(frozen=True, slots=True)
class Plugins:
    """`found` maps a name to what its entry point names (a class); `broken` maps a name to why it is missing."""

    found: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def discover(group: str) -> Plugins:
    """Import every plugin of a group, by name."""
    plugins = Plugins()
    for point in sorted(entry_points(group=group), key=lambda p: p.name):
        try:
            plugins.found[point.name] = point.load()
        except Exception as error:  # noqa: BLE001  somebody else's module: whatever it raises, the others go on
            plugins.broken[point.name] = f"{point.value}: {type(error).__name__}: {error}"
    return plugins


def load(group: str) -> dict[str, Any]:
    """Return the plugins of a group by name, without the broken ones."""
    return discover(group).found
