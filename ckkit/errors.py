"""
Every error that ckkit raises on purpose.

    CkkitError
    ├── HubUnreachable     no hub answers for this home
    ├── Refused            the hub understood and says no (role, read-only, too large)
    │   └── Unauthenticated    no token, or a wrong one
    ├── NotFound           no node, check, monitor, job … of that name
    ├── Invalid            input that cannot be used: a query, a file, a payload
    │   ├── QueryError         a node query
    │   ├── SqlError           a statement of SQL
    │   └── ConfigError        ckkit.toml, a monitor, a schedule: file and line
    ├── TimedOut           a limit in time was reached; says which
    ├── Cancelled          somebody stopped it
    ├── CheckFailed        a check could not measure: becomes a result with state `err`
    ├── StoreError         the store cannot do it
    │   ├── StoreLocked        another process owns the file
    │   ├── StoreDamaged       the file is truncated or no store; left untouched
    │   ├── StoreNewer         written by a newer ckkit
    │   └── StoreFull          no space left: nothing of the batch was acknowledged
    ├── DeliveryFailed     a notification was not taken by its receiver
    └── Taken              a port, a home or a name is in use

A message says what was found, where, what was expected, and what to do. `code`
is the stable word for machines; it travels over the wire, and `from_wire` gives
the same class back on the other side.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class CkkitError(Exception):
    """The root. `details` are facts for machines; never a secret."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows of it: its message. Anything else than a CkkitError shows its traceback."""
        return [f"{type(self).__name__}: {self.message}"]

    def to_wire(self) -> dict[str, Any]:
        """Return what travels: `code`, `message`, `details`."""
        return {"code": self.code, "message": self.message, "details": self.details}


class HubUnreachable(CkkitError):
    code = "unreachable"
    status = 503


class Refused(CkkitError):
    code = "refused"
    status = 403


class Unauthenticated(Refused):
    code = "unauthenticated"
    status = 401


class NotFound(CkkitError):
    code = "not_found"
    status = 404


class Invalid(CkkitError):
    code = "invalid"
    status = 400


class QueryError(Invalid):
    code = "query"


class SqlError(Invalid):
    code = "sql"


class ConfigError(Invalid):
    code = "config"


class TimedOut(CkkitError):
    code = "timeout"
    status = 504


class Cancelled(CkkitError):
    code = "cancelled"
    status = 499


class CheckFailed(CkkitError):
    code = "check"
    status = 502


class StoreError(CkkitError):
    code = "store"
    status = 503


class StoreLocked(StoreError):
    code = "store_locked"


class StoreDamaged(StoreError):
    code = "store_damaged"


class StoreNewer(StoreError):
    code = "store_newer"


class StoreFull(StoreError):
    code = "store_full"
    status = 507


class DeliveryFailed(CkkitError):
    code = "delivery"
    status = 502


class Taken(CkkitError):
    code = "taken"
    status = 409


def _family(root: type[CkkitError]) -> dict[str, type[CkkitError]]:
    """The classes that stand for a code: those that name one of their own, whatever else derives from them."""
    found = {root.code: root} if "code" in vars(root) else {}
    for child in root.__subclasses__():
        found |= _family(child)
    return found


def from_wire(document: Mapping[str, Any]) -> CkkitError:
    """Return the error that `to_wire` described; an unknown code gives a plain CkkitError."""
    kind = _family(CkkitError).get(str(document.get("code")), CkkitError)
    return kind(str(document.get("message", "the hub failed without a message")), **document.get("details", {}))
