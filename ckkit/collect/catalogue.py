"""The check types that are installed, by name: one instance of each, and what a check may say to it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from ckkit.config import CheckConfig
from ckkit.errors import Invalid, NotFound
from ckkit.model import Metric
from ckkit.plugins import discover
from ckkit.protocols import CheckType
from ckkit.tomlfile import nearest


class Catalogue:
    """`types` maps a name to an instance; `broken` a name to why that plugin is missing."""

    def __init__(self, types: Mapping[str, CheckType] | None = None) -> None:
        self.broken: dict[str, str] = {}
        if types is None:
            plugins = discover("ckkit.checks")
            self.broken = dict(plugins.broken)
            types = {name: kind() for name, kind in plugins.found.items()}
        self.types: dict[str, CheckType] = dict(types)

    def get(self, name: str) -> CheckType:
        """Return the type of that name. Raises NotFound with the nearest one."""
        if name in self.types:
            return self.types[name]
        if name in self.broken:
            raise NotFound(f"the check type {name!r} is installed but cannot be loaded: {self.broken[name]}")
        raise NotFound(f"there is no check type {name!r}{nearest(name, list(self.types))}")

    def params(self, type: str, given: Mapping[str, Any]) -> Any:
        """Return the type's Params from the keys of a check. Raises NotFound, or Invalid naming the key."""
        kind = self.get(type).Params
        for key in given:
            if key not in (known := list(kind.__struct_fields__)):
                said = nearest(key, [*known, *CheckConfig.__struct_fields__]) if known else ": it takes none of its own"
                raise Invalid(f"the check type {type} has no key {key!r}{said}", key=key)
        try:
            return msgspec.convert(dict(given), kind)
        except msgspec.ValidationError as error:
            path = str(error).rpartition(" - at `$.")[2].rstrip("`") if " - at `$." in str(error) else ""
            raise Invalid(f"the check type {type}: {error}", key=path.split("[")[0].split(".")[0]) from None

    def metrics(self, type: str | None = None) -> list[Metric]:
        """Return what the types measure, each metric with its `type`; of one type, or of all by name."""
        names = sorted(self.types) if type is None else [type]
        return [replace(metric, type=name) for name in names for metric in self.get(name).metrics]
