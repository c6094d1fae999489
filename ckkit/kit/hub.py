"""`kit.hub`: the hub itself."""

from typing import Any

from ckkit.kit.asking import Namespace
from ckkit.kit.lists import Rows


class Hub(Namespace):
    def status(self) -> dict[str, Any]:
        """Return its version, pid, home, store, lag and notices."""
        return self._ask("hub.status", dict[str, Any])

    def notices(self) -> Rows:
        """Return what the hub wants people to know: an evaluator that is late, a disk that is full."""
        return Rows.of(self._ask("notices.list", tuple[dict[str, Any], ...]), "no notices")

    def reload(self) -> Any:
        """Read ckkit.toml and the monitors again."""
        return self._ask("hub.reload", object)
