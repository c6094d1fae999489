"""`kit.providers`: where nodes come from."""

from typing import Any

from ckkit.kit.asking import Namespace
from ckkit.kit.lists import Rows


class Providers(Namespace):
    def list(self) -> Rows:
        """Return the providers: name, type, how many nodes, when they were listed, what is wrong."""
        return Rows.of(self._ask("providers.list", tuple[dict[str, Any], ...]), "no provider")

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return self.list()._repr_html_()
