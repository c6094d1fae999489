"""
Conditions of monitors: what a text like `used_ratio > 0.9` means. Pure.

A comparison of one column with a number is a Threshold, a row of a table that all monitors share. Anything else is an
Expression: SQL over the columns of a check, out of a closed set of operators and functions; it becomes a statement in
`store/compose_conditions.py`, which also has the database check its grammar.
"""

import re
from collections.abc import Collection, Sequence

from ckkit.errors import Invalid
from ckkit.rules import TEXTS, TIME_TAKEN, Condition, Expression, Threshold, Token
from ckkit.tomlfile import nearest

_CHOICES = ("case", "when", "then", "else", "end", "distinct", "from", "escape")
KEYWORDS = frozenset(("and", "or", "not", "between", "in", "is", "null", "like", "ilike", "true", "false", *_CHOICES))
_TESTS = ("contains", "ends_with", "isfinite", "isinf", "isnan", "regexp_matches", "starts_with")
_NUMBERS = ("abs", "ceil", "exp", "floor", "greatest", "least", "ln", "log10", "pow", "round", "sign", "sqrt")
FUNCTIONS = frozenset((*_TESTS, *_NUMBERS, "coalesce", "length", "lower", "nullif", "trim", "upper"))
OPERATORS = (">=", "<=", "<>", "!=", "==", "||", ">", "<", "=", "+", "-", "*", "/", "%", "(", ")", ",")
_COMPARING = frozenset((">=", "<=", "<>", "!=", "==", ">", "<", "="))
_DECIDING = frozenset(("between", "in", "is", "like", "ilike", "not", "true", "false", *_TESTS))

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_THRESHOLD = re.compile(rf"\s*(?P<column>[A-Za-z_]\w*)\s*(?P<op>>=|<=|==|=|>|<)\s*(?P<number>{_NUMBER})\s*")
_TOKEN = re.compile(
    rf"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\w)|(?P<word>[A-Za-z_]\w*)|(?P<text>'(?:[^']|'')*')|
        (?P<op>{"|".join(map(re.escape, OPERATORS))}))""",
    re.VERBOSE,
)


def parse(text: str, metrics: Collection[str]) -> Condition:
    """
    Read a condition over the metrics of a check type and the columns that every check has.

    >>> parse("used_ratio > 0.9", ["used_ratio"])
    Threshold(column='used_ratio', op='>', number=0.9)
    >>> parse("used_ratio > 0.9 and free_bytes < 5e9", ["used_ratio", "free_bytes"]).columns
    ('used_ratio', 'free_bytes')

    Raises:
        Invalid: what cannot be read, or a column that does not exist, with the nearest that does.
    """
    simple = _THRESHOLD.fullmatch(text)
    if simple and simple["column"] not in TEXTS and simple["column"].lower() not in KEYWORDS:
        _known(simple["column"], metrics)
        return Threshold(simple["column"], simple["op"].replace("==", "="), float(simple["number"]))
    tokens = tuple(_tokens(text, metrics))
    if not any(_decides(token) for token in tokens):
        raise Invalid(f"{text!r} compares nothing: write a condition that is true or false, such as `used_ratio > 0.9`")
    if not any(token.kind == "column" for token in tokens):
        raise Invalid(f"{text!r} names no column of the check: there are {_listed(metrics)}")
    return Expression(text, tokens)


def _tokens(text: str, metrics: Collection[str]) -> Sequence[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text.rstrip()):
        piece = _TOKEN.match(text, at)
        if piece is None:
            raise Invalid(
                f"cannot read {text[at:].strip()[:20]!r} in the condition {text!r}: write comparisons of columns "
                "with numbers or 'texts', joined by and, or, not, ( )"
            )
        at = piece.end()
        kind = str(piece.lastgroup)
        found.append(_named(piece[kind], text[at:], metrics) if kind == "word" else Token(kind, piece[kind]))
    return found


def _named(word: str, after: str, metrics: Collection[str]) -> Token:
    """A word is a column, a keyword, or a function where a parenthesis follows."""
    if word in metrics or word in TEXTS or word == TIME_TAKEN:
        return Token("column", word)
    if word.lower() in KEYWORDS:
        return Token("word", word.lower())
    if after.lstrip().startswith("("):
        if word.lower() not in FUNCTIONS:
            raise Invalid(f"there is no function {word!r}{nearest(word.lower(), sorted(FUNCTIONS))}")
        return Token("word", word.lower())
    _known(word, metrics)
    return Token("column", word)


def _known(column: str, metrics: Collection[str]) -> None:
    known = [*metrics, TIME_TAKEN, *TEXTS]
    if column not in known:
        raise Invalid(f"there is no metric {column!r}{nearest(column, known)}")


def _decides(token: Token) -> bool:
    return token.text in (_COMPARING if token.kind == "op" else _DECIDING)


def _listed(metrics: Collection[str]) -> str:
    return ", ".join([*metrics, TIME_TAKEN, *TEXTS])
