"""The changelog: written with an event, read back by time and node."""

from datetime import UTC, datetime, timedelta

import pytest

from ckkit.errors import Invalid
from ckkit.store import Store, annotations
from ckkit.store.annotations import Annotation

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "ckkit.duckdb", clock=lambda: NOW)
    yield store
    store.close()


def test_what_was_written_is_read_back_by_time_and_node(store):
    lines = [
        Annotation(ts=NOW + timedelta(minutes=n), node=node, scope="shop", who="ann", text=text)
        for n, (node, text) in enumerate((("web0", "deployed 1.4"), ("db0", "vacuumed"), ("", "moved the office")))
    ]
    for line in reversed(lines):
        store.write(lambda tx, line=line: annotations.add(tx, line))
    assert annotations.since(store, NOW) == lines
    assert annotations.since(store, NOW, "web0") == [lines[0], lines[2]]
    assert annotations.since(store, NOW + timedelta(seconds=1), "web0") == [lines[2]]
    assert annotations.since(store, NOW, limit=1) == lines[:1]
    assert [(e.topic, e.scope, e.payload["who"]) for e in store.events(0)][-1] == ("annotations", "web0", "ann")


@pytest.mark.parametrize("text", ["", "  \n", "x" * 10_001], ids=["none", "blank", "a book"])
def test_a_line_that_says_nothing_or_too_much_is_refused(store, text):
    with pytest.raises(Invalid, match="an annotation has 1 to 10000 characters"):
        store.write(lambda tx: annotations.add(tx, Annotation(ts=NOW, who="ann", text=text)))
    assert annotations.since(store, NOW) == []
