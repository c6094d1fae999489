"""`kit.checks`: what is measured on the nodes, and how to add to it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from ckkit.durations import duration
from ckkit.kit.asking import Namespace, completions, missing
from ckkit.kit.lists import CheckList, CheckTypes, ResultView, Rows
from ckkit.model import Check


class Checks(Namespace):
    """`kit.checks["web0/http:homepage"]`; a check's key is `node/type` or `node/type:instance`."""

    def list(self, query: str = "*", type: str | None = None) -> CheckList:
        """Return the checks on the nodes of a query, of one type where it is given."""
        return CheckList(self._ask("checks.list", tuple[Check, ...], query=query, type=type))

    def add(
        self,
        node: str,
        type: str,
        instance: str = "",
        *,
        every: str | timedelta | None = None,
        timeout: str | timedelta | None = None,
        params: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Check:
        """
        Write a check into ckkit.toml and start it: `kit.checks.add("web0", "http", "homepage", url="http://…")`.

        `params`, or further keywords, are the type's own parameters: `kit.checks.types()` lists them.

        Raises:
            Invalid: a parameter is unknown, missing or wrong, or this check exists. NotFound: no such node or type.
        """
        given = {**(params or {}), **more}
        return self._ask(
            "checks.add",
            Check,
            node=node,
            type=type,
            instance=instance,
            params=given,
            every=None if every is None else duration(every),
            timeout=None if timeout is None else duration(timeout),
        )

    def remove(self, check: str | Check) -> Check:
        """Take a check out of ckkit.toml and stop it, and return it; its results stay. Raises NotFound, Invalid."""
        return self._ask("checks.remove", Check, check=key_of(check))

    def run(self, check: str | Check) -> ResultView:
        """Run a check now and return its result, which counts as any other. Raises NotFound."""
        return self._ask("checks.run", ResultView, check=key_of(check))

    def types(self) -> CheckTypes:
        """Return the types of checks there are: name, help, parameters, metrics."""
        return CheckTypes(self._ask("checks.types", tuple[dict[str, Any], ...]))

    def problems(self) -> Rows:
        """Return what is wrong with the checks and providers of ckkit.toml: file, line, message."""
        return Rows.of(self._ask("checks.problems", tuple[dict[str, Any], ...]), "every check is fine")

    def keys(self) -> Sequence[str]:
        """Return the key of every check, in order."""
        return [check.key for check in self.list()]

    def __getitem__(self, key: str) -> Check:
        """Return the check of that key. Raises NotFound with the nearest keys."""
        known = {check.key: check for check in self.list()}
        if key not in known:
            raise missing("check", key, known)
        return known[key]

    def __iter__(self) -> Iterator[Check]:
        return iter(self.list())

    def _ipython_key_completions_(self) -> Sequence[str]:
        return completions(self.keys)

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return self.list()._repr_html_()


def key_of(check: str | Check) -> str:
    return check.key if isinstance(check, Check) else check
