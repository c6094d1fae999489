"""`kit.addresses`: where notifications go. Their URLs, which may hold passwords, stay in the hub."""

from typing import Any

from ckkit.kit.asking import Namespace
from ckkit.kit.lists import Rows


class Addresses(Namespace):
    def list(self) -> Rows:
        """Return the addresses: name, kind, and what is wrong with it."""
        return Rows.of(self._ask("addresses.list", tuple[dict[str, Any], ...]), "no address: ckkit.toml holds them")

    def test(self, name: str) -> str:
        """Send a test message to an address and return what it answered. Raises NotFound, DeliveryFailed."""
        return str(self._ask("addresses.test", dict[str, Any], name=name)["answer"])

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return self.list()._repr_html_()
