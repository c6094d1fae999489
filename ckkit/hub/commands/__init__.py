"""What the hub can be asked to do: a module a noun. Importing this package registers all commands."""

from ckkit.hub.commands import (
    addresses,
    alerts,
    checks,
    hub,
    jobs,
    metrics,
    monitors,
    nodes,
    notifications,
    overview,
    providers,
    runs,
    silences,
)

__all__ = [
    "addresses",
    "alerts",
    "checks",
    "hub",
    "jobs",
    "metrics",
    "monitors",
    "nodes",
    "notifications",
    "overview",
    "providers",
    "runs",
    "silences",
]
