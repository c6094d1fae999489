"""
How everybody talks to the hub: `HttpWire` from another process, `StoreWire` within one; `Frame` is what a read gives.

Importing this package imports nothing; pyarrow only comes with the first table.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ckkit.wire.frame import Frame
    from ckkit.wire.http_client import HttpWire
    from ckkit.wire.in_process import StoreWire

__all__ = ["Frame", "HttpWire", "StoreWire"]

_HOME_OF = {"Frame": "ckkit.wire.frame", "HttpWire": "ckkit.wire.http_client", "StoreWire": "ckkit.wire.in_process"}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ckkit.wire' has no attribute {name!r}: it has {', '.join(__all__)}")
    return getattr(import_module(_HOME_OF[name]), name)
