"""Node queries: the published truth table, and what ckkit adds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.errors import QueryError
from ckkit.model import Level, Node
from ckkit.nodequery import Facts, parse

WEB = Node(name="web0", provider="aws", tags=("web", "prod"), private_addresses=("10.0.0.7",))
DB = Node(name="db 1", provider="rackspaceus", tags=("db",), state="stopped")
NODES = (WEB, DB, Node(name="cache.2", provider="static", tags=("cache", "prod")))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("node:web0", ["web0"]),
        ('node:"db 1"', ["db 1"]),  # quotes hold spaces
        ("-node:web0", ["db 1", "cache.2"]),
        ("NODE:web0", ["web0"]),  # keywords have no case
        ("provider:AWS", ["web0"]),  # providers neither
        ("node:web0 AND tag:web AND provider:aws", ["web0"]),
        ("node:web0 && tag:nope || tag:db", ["db 1"]),  # and binds tighter
        ("node:web0 || tag:db && tag:nope", ["web0"]),
        ("-(tag:db or tag:cache) and node:web*", ["web0"]),
        ("all", ["web0", "db 1", "cache.2"]),
        ("*", ["web0", "db 1", "cache.2"]),
        ("", ["web0", "db 1", "cache.2"]),
        ("web?", ["web0"]),
        ("tag:prod -tag:cache", ["web0"]),  # juxtaposition is `and`
        ("tag:prod not tag:web", ["cache.2"]),
        ("node:cache.2", ["cache.2"]),  # names may have dots
        ("provider:rackspace*", ["db 1"]),
        ("state:stopped", ["db 1"]),
        ("address:10.0.*", ["web0"]),
        ("-web0 -tag:db", ["cache.2"]),
    ],
)
def test_which_nodes_a_query_means(query, names):
    assert [n.name for n in parse(query).select(NODES)] == names


@pytest.mark.parametrize(
    ("query", "facts", "means"),
    [
        ("has:warn and tag:web", Facts(level=Level.WARN), True),
        ("has:warn and tag:db", Facts(level=Level.WARN), False),
        ("has:error", Facts(level=Level.CRITICAL), True),
        ("has:ok", Facts(level=Level.CRITICAL), False),
        ("is:starred", Facts(starred=True), True),
        ("is:starred", Facts(), False),
        ("type:http", Facts(types={"http", "cpu"}), True),
        ("-type:http", Facts(types={"cpu"}), True),
    ],
)
def test_what_a_query_asks_beside_the_node(query, facts, means):
    assert parse(query).matches(WEB, facts) is means


@pytest.mark.parametrize(
    "query",
    [
        "node:!!!bar",
        "node:",
        'node:""',
        "tag:foo OR --tag:bar",
        "tag:bartag:foo",
        "xxxx:barfoo",
        "()",
        "(node:foo AND (tag:bar)",
        "tag:a and",
        "or tag:a",
        "tag:a)",
        "has:nonsense",
        "is:nice",
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(query):
    with pytest.raises(QueryError, match="at character") as error:
        parse(query)
    assert "Write field:value" in error.value.message


def test_juxtaposition_is_an_error_in_strict_mode():
    assert parse("node:foo bar").select(NODES) == []
    with pytest.raises(QueryError, match="character 10"):
        parse("node:foo bar", strict=True)


def test_a_misspelt_field_gets_the_nearest():
    with pytest.raises(QueryError, match="did you mean provider"):
        parse("providr:aws")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_never_a_crash(text):
    try:
        parse(text).select(NODES)
    except QueryError as error:
        assert error.details["at"] >= 1


@given(st.text("ab*?[]", min_size=1, max_size=6))
def test_a_query_is_the_opposite_of_its_negation(word):
    try:
        query, negated = parse(f"tag:{word}"), parse(f"-tag:{word}")
    except QueryError:
        return
    assert {n.name for n in query.select(NODES)} ^ {n.name for n in negated.select(NODES)} == {n.name for n in NODES}
