"""
What a check may say, bounded: one line of text of at most 500 characters, at most 256 finite numbers.

Pure. Whatever is left out is said in the status, so that nobody wonders where it went.
"""

import math
from collections.abc import Mapping
from typing import Any

from ckkit.errors import CkkitError
from ckkit.model import Outcome, State

STATUS_CHARACTERS = 500
VALUES = 256
NAME_CHARACTERS = 100


def one_line(text: str, limit: int = STATUS_CHARACTERS) -> str:
    """
    Return the text on one line of at most `limit` characters; a longer one is cut, and says so at its end.

    >>> one_line("two\\n  lines"), one_line("x" * 90, 40)
    ('two lines', 'xxxxxxxxxxxxxxxxxxxxxx … (90 characters)')
    """
    # The start is enough to fill the line: splitting 100 MB to throw it away would cost a second.
    line = " ".join(text[: 4 * limit].split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    if len(text) <= 4 * limit and len(line) <= limit:
        return line
    said = f" … ({len(text)} characters)"
    return line[: limit - len(said)] + said


def failure(error: BaseException) -> str:
    """
    Return one line that tells an exception: ours as its message, another with its class.

    >>> failure(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    """
    if isinstance(error, CkkitError):
        return one_line(error.message)
    text = str(error)
    kind = type(error).__name__
    return one_line(f"{kind}: {text}" if text else kind)


def bounded(outcome: Any) -> Outcome:
    """
    Return what is kept of the thing that a check returned; anything but an Outcome becomes one with state `err`.

    >>> bounded("fine").status
    'the check returned a str, not an Outcome: a bug of the check'
    """
    if not isinstance(outcome, Outcome):
        return Outcome(
            state=State.ERR,
            status=f"the check returned a {type(outcome).__name__}, not an Outcome: a bug of the check",
        )
    values, left_out = _finite(outcome.values)
    status = str(outcome.status)
    if left_out:
        status = f"{one_line(status, STATUS_CHARACTERS // 2)} [left out: {left_out}]"
    return Outcome(values=values, status=one_line(status), state=State(outcome.state))


def _finite(values: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    """Return the values that can be kept, and a text that names what cannot."""
    kept: dict[str, float] = {}
    wrong: list[str] = []
    for name, value in values.items():
        usable = isinstance(value, int | float) and math.isfinite(value)
        if not usable or not isinstance(name, str) or not 0 < len(name) <= NAME_CHARACTERS:
            wrong.append(f"{str(name)[:40]}={str(value)[:20]}")
        elif len(kept) < VALUES:
            kept[name] = float(value)
    said = [f"{', '.join(wrong[:3])}{' …' if len(wrong) > 3 else ''} is no finite number"] if wrong else []
    if (more := len(values) - len(wrong) - len(kept)) > 0:
        said.append(f"{more} values more than {VALUES}")
    return kept, "; ".join(said)
