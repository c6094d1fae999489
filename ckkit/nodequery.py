"""
Node queries: which nodes a text means. Pure: it decides over records that it is given.

    tag:web and provider:aws or -name      fields, and/or/not; `and` binds tighter, juxtaposition is `and`
    tag:web -tag:staging (db or cache)     `-` and `not` negate, parentheses group, a bare word is a name
    node:web*  tag:"two words"  *          `*` and `?` stand for any text and any character; `*` or `all` is every node
    is:starred  has:err  has:warn  has:ok  what a node's alerts say now

The grammar is Cloudkick's published one (a PEG), plus juxtaposition, dots in names and the fields `type:` (of a
check on the node), `state:` and `address:`. `parse(text, strict=True)` takes juxtaposition for an error, as that did.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import translate

from ckkit.errors import QueryError
from ckkit.model import Level, Node

FIELDS = ("node", "tag", "provider", "type", "state", "address", "is", "has")
LEVELS = {
    "error": Level.CRITICAL,
    "err": Level.CRITICAL,
    "critical": Level.CRITICAL,
    "warning": Level.WARN,
    "warn": Level.WARN,
    "nodata": Level.NODATA,
    "ok": Level.OK,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a query may ask of a node beside the node itself."""

    level: Level = Level.OK
    starred: bool = False
    types: Collection[str] = ()


Test = Callable[[Node, Facts], bool]
NO_FACTS = Facts()

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<open>\()|(?P<close>\))|(?P<minus>-(?=[\w"*?(\[]))|(?P<op>\|\||&&)|
        (?P<term>(?:(?P<field>[A-Za-z_]+):)?(?:"(?P<quoted>[^"]*)"|(?P<bare>[\w*?.\-\[\]@/:%]+)))|
        (?P<bad>\S+)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `text` is what was written."""

    text: str
    test: Test = field(repr=False, compare=False)

    def matches(self, node: Node, facts: Facts = NO_FACTS) -> bool:
        """Say whether the query means this node, of which `facts` holds."""
        return self.test(node, facts)

    def select(self, nodes: Iterable[Node]) -> list[Node]:
        """Return the nodes that it means, in the order given."""
        return [node for node in nodes if self.test(node, NO_FACTS)]


def parse(text: str, *, strict: bool = False) -> Query:
    """
    Read a query. An empty text means every node.

    >>> parse("tag:web -node:web1").matches(Node(name="web0", tags=("web",)))
    True

    Raises:
        QueryError: what cannot be read, where, and how to write it.
    """
    if not text.strip():
        return Query(text, lambda node, facts: True)
    return Query(text, _Parser(text, strict).whole())


class _Parser:
    """Recursive descent: or < and < unit. One instance reads one text."""

    def __init__(self, text: str, strict: bool) -> None:
        self.text, self.strict, self.at = text, strict, 0
        self.tokens = [m for m in _TOKEN.finditer(text) if m.group().strip()]

    def whole(self) -> Test:
        test = self.either()
        if self.at < len(self.tokens):
            self.fail("expected the end, `and` or `or`")
        return test

    def either(self) -> Test:
        tests = [self.both()]
        while self.take("or", "||"):
            tests.append(self.both())
        return tests[0] if len(tests) == 1 else lambda node, facts: any(test(node, facts) for test in tests)

    def both(self) -> Test:
        tests = [self.unit()]
        while True:
            if self.take("and", "&&") or (not self.strict and self.begins_unit()):
                tests.append(self.unit())
            else:
                return tests[0] if len(tests) == 1 else lambda node, facts: all(test(node, facts) for test in tests)

    def unit(self) -> Test:
        token = self.peek()
        if token is None:
            self.fail("expected a node, tag:name or (")
        assert token is not None
        if token["minus"] or self.word(token) == "not":
            self.at += 1
            if token["minus"] and (after := self.peek()) and after["minus"]:
                self.fail("a term is negated once")
            test = self.unit()
            return lambda node, facts: not test(node, facts)
        if token["open"]:
            self.at += 1
            test = self.either()
            if (closing := self.peek()) is None or not closing["close"]:
                self.fail("expected )")
            self.at += 1
            return test
        if not token["term"] or self.word(token) in ("and", "or"):
            self.fail("expected a node, tag:name or (")
        self.at += 1
        return self.term(token)

    def term(self, token: re.Match[str]) -> Test:
        value = token["quoted"] if token["quoted"] is not None else token["bare"]
        if not value.strip():
            self.fail(f"{token['term']} names nothing", token)
        if ":" in value and token["quoted"] is None and (token["field"] or "").lower() != "address":
            self.fail(f"{token['term']} is not one field:value", token)
        if token["field"] is None:
            return _everything if value.lower() in ("*", "all") and token["quoted"] is None else _named(value)
        name = token["field"].lower()
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, n=1)
            self.fail(f"there is no field {token['field']}{f', did you mean {near[0]}?' if near else ''}", token)
        return self.fact(name, value, token)

    def fact(self, name: str, value: str, token: re.Match[str]) -> Test:
        if name == "is":
            if value.lower() != "starred":
                self.fail("after is: there is only `starred`", token)
            return lambda node, facts: facts.starred
        if name == "has":
            if value.lower() not in LEVELS:
                self.fail(f"after has: there are {', '.join(LEVELS)}", token)
            wanted = LEVELS[value.lower()]
            return lambda node, facts: facts.level is wanted
        return _FIELD_TESTS[name](value)

    def take(self, *words: str) -> bool:
        token = self.peek()
        if token is not None and self.word(token) in words:
            self.at += 1
            return True
        return False

    def begins_unit(self) -> bool:
        token = self.peek()
        if token is None or (token["term"] and self.word(token) in ("or", "and")):
            return False
        return bool(token["minus"] or token["open"] or token["term"])

    def peek(self) -> re.Match[str] | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    @staticmethod
    def word(token: re.Match[str]) -> str:
        return (token["op"] or (token["bare"] if token["field"] is None else None) or "").lower()

    def fail(self, why: str, token: re.Match[str] | None = None) -> None:
        token = token or self.peek()
        at = token.start() + len(token.group()) - len(token.group().lstrip()) + 1 if token else len(self.text) + 1
        raise QueryError(
            f"cannot read the query {self.text!r} at character {at}: {why}. "
            f"Write field:value with a field of {', '.join(FIELDS)}, join terms with and, or, not, ( )",
            query=self.text,
            at=at,
        )


def _pattern(value: str, flags: int = 0) -> Callable[[str], bool]:
    """A test of one text against a value with `*` and `?`; square brackets mean themselves."""
    match = re.compile(translate(value.replace("[", "[[]")), flags).match
    return lambda text: match(text) is not None


def _everything(node: Node, facts: Facts) -> bool:
    return True


def _named(value: str) -> Test:
    same = _pattern(value)
    return lambda node, facts: same(node.name)


def _tagged(value: str) -> Test:
    same = _pattern(value)
    return lambda node, facts: any(same(tag) for tag in node.tags)


def _provided(value: str) -> Test:
    same = _pattern(value, re.IGNORECASE)
    return lambda node, facts: same(node.provider)


def _typed(value: str) -> Test:
    same = _pattern(value)
    return lambda node, facts: any(same(kind) for kind in facts.types)


def _in_state(value: str) -> Test:
    same = _pattern(value, re.IGNORECASE)
    return lambda node, facts: same(node.state)


def _addressed(value: str) -> Test:
    same = _pattern(value)
    return lambda node, facts: any(same(a) for a in (*node.private_addresses, *node.public_addresses))


_FIELD_TESTS: dict[str, Callable[[str], Test]] = {
    "node": _named,
    "tag": _tagged,
    "provider": _provided,
    "type": _typed,
    "state": _in_state,
    "address": _addressed,
}
