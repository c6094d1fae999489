"""
`%%cksql`: SQL in a cell, against the hub. `%cksql select 1` on a line.

    node = "web0"
    %%cksql busy
    select ts, busy_ratio from checks.cpu where node = $node order by ts desc limit 5

`$name` takes the variable of that name; the word on the first line, if any, is the
variable that keeps the frame, which is shown as well. The kit is the notebook's
variable `kit` where that is one, else one on the running hub.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ckkit.errors import Invalid
from ckkit.kit.asking import completions
from ckkit.kit.kit import Kit

if TYPE_CHECKING:
    from ckkit.wire.frame import Frame

_PARAMETER = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|\$(?P<name>[A-Za-z_]\w*)")
_METRIC = re.compile(r"""\.series\(\s*["'](?P<start>[\w.]*)$""")


def load(shell: Any) -> None:
    """Register the magics and the completion of metric names with an IPython shell."""
    from IPython.core.completer import context_matcher

    magic = Cksql(shell)
    shell.register_magic_function(magic.line, "line", "cksql")
    shell.register_magic_function(magic.cell, "cell", "cksql")

    @context_matcher(identifier="ckkit.metrics")  # type: ignore[untyped-decorator]
    def metric_names(context: Any) -> dict[str, Any]:
        return magic.metric_names(context)

    shell.Completer.custom_matchers.append(metric_names)


class Cksql:
    """The magic, on one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._own: Kit | None = None

    def line(self, statement: str) -> "Frame":
        """Run one line of SQL."""
        return self._run(statement)

    def cell(self, keep_as: str, statement: str) -> "Frame":
        """Run a cell of SQL; `keep_as` names the variable that keeps the frame."""
        name = keep_as.strip()
        if name and not name.isidentifier():
            raise Invalid(f"%%cksql {name}: write the name of a variable that keeps the result, or nothing")
        frame = self._run(statement)
        if name:
            self._shell.user_ns[name] = frame
        return frame

    def metric_names(self, context: Any) -> dict[str, Any]:
        """Return what completes the metric in `kit.series("cpu.b`, and nothing beside it: a matcher of IPython's."""
        from IPython.core.completer import SimpleCompletion

        found = _METRIC.search(context.text_until_cursor)
        names = completions(lambda: self._kit().metrics.known()) if found else []
        fitting = [name for name in names if found and name.startswith(found["start"])]
        return {
            "completions": [SimpleCompletion(text=name, type="metric") for name in fitting],
            "matched_fragment": found["start"] if found else "",
            "suppress": bool(fitting),
        }

    def _run(self, statement: str) -> "Frame":
        return self._kit().sql(statement, **parameters(statement, self._shell.user_ns))

    def _kit(self) -> Kit:
        given = self._shell.user_ns.get("kit")
        if isinstance(given, Kit):
            return given
        self._own = self._own or Kit.connect()
        return self._own


def parameters(statement: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the variables that a statement names as `$name`, outside of its texts and comments.

    >>> parameters("select $node, '$5' -- $no", {"node": "web0", "no": 1})
    {'node': 'web0'}

    Raises:
        Invalid: a variable that the notebook does not have.
    """
    names = {m["name"] for m in _PARAMETER.finditer(statement) if m["name"]}
    absent = sorted(names - variables.keys())
    if absent:
        raise Invalid(f"the notebook has no variable {', '.join(absent)}, which the SQL names as ${absent[0]}: set it")
    return {name: variables[name] for name in sorted(names)}
