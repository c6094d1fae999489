"""
ckkit: the operations room of an SRE team, made of notebooks.

    import ckkit
    kit = ckkit.open()                                   # the running hub of this machine (CKKIT_HOME)
    kit.nodes.list("tag:web")
    ckkit.chart(kit.series("cpu.busy_ratio", "tag:web", since="6h"))
    kit.sql("select * from checks.cpu where node = $node limit 10", node="web0")

`%load_ext ckkit` gives notebooks the magic `%%cksql`. Importing this module imports
nothing else: each name below is fetched when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from ckkit.errors import CkkitError, HubUnreachable, Invalid, NotFound, Refused, TimedOut
    from ckkit.kit.kit import Kit
    from ckkit.model import Alert, Check, Event, Level, Metric, Monitor, Node, Result, State, Status
    from ckkit.views.charts import chart
    from ckkit.wire.frame import Frame

__all__ = [
    "Alert",
    "Check",
    "CkkitError",
    "Event",
    "Frame",
    "HubUnreachable",
    "Invalid",
    "Kit",
    "Level",
    "Metric",
    "Monitor",
    "Node",
    "NotFound",
    "Refused",
    "Result",
    "State",
    "Status",
    "TimedOut",
    "chart",
    "open",
]

_HOME_OF = {
    **dict.fromkeys(("CkkitError", "HubUnreachable", "Invalid", "NotFound", "Refused", "TimedOut"), "ckkit.errors"),
    **dict.fromkeys(
        ("Alert", "Check", "Event", "Level", "Metric", "Monitor", "Node", "Result", "State", "Status"), "ckkit.model"
    ),
    "Frame": "ckkit.wire.frame",
    "Kit": "ckkit.kit.kit",
    "chart": "ckkit.views.charts",
}


def open(where: "str | Path | None" = None) -> "Kit":
    """
    Return a kit on the running hub of CKKIT_HOME, or, with the path of a store file, on that file without a hub.

    Raises:
        HubUnreachable: no hub answers; it is never started from here.
        StoreLocked: another process (the hub) owns the file.
        NotFound: there is no such file.
    """
    if where is None:
        from ckkit.kit.kit import Kit

        return Kit.connect()
    # By name: only this brings the store into a client, and only when it is asked for.
    kit: Kit = import_module("ckkit.offline").open_file(where)
    return kit


def load_ipython_extension(shell: Any) -> None:
    """Give an IPython shell `%%cksql` and the completion of metric names; called by `%load_ext ckkit`."""
    from ckkit.kit.magics import load

    load(shell)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("ckkit")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ckkit' has no attribute {name!r}: it has {', '.join(__all__)}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
