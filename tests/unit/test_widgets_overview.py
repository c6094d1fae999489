"""The overview page: from a document to what its widgets hold; and what its kernel must not weigh."""

import base64
import json
import struct
import subprocess
import sys
from copy import deepcopy

import pytest

from ckkit.views.overview import OverviewPage, groups, header

NAN = float("nan")


def line(*points):
    return struct.pack(f"<{len(points)}f", *points)


def metric(key, unit, last, points, label=""):
    spark = base64.b64encode(line(*points)).decode()
    return {"key": key, "label": label or key, "unit": unit, "source": f"{key}.x", "last": last, "spark": spark}


DOCUMENT = {
    "tick": 7,
    "as_of": "2026-11-24T12:00:10.5Z",
    "every_seconds": 10.0,
    "points": 2,
    "nodes": {
        "name": ["web0", "db0", "two words"],
        "provider": ["static", "static", "aws"],
        "state": ["running"] * 3,
        "tags": [["web", "prod"], ["db"], []],
        "address": ["10.0.0.1", "10.0.0.2", ""],
        "checks": [5, 3, 0],
        "failing": [0, 1, 0],
        "level": ["ok", "critical", "nodata"],
        "seen": ["2026-11-24T12:00:10Z", "2026-11-24T12:00:10Z", None],
    },
    "metrics": [
        metric("cpu", "ratio", [0.5, None, None], [0.1, 0.5, NAN, NAN, NAN, NAN], "CPU"),
        metric("network", "bytes/s", [None] * 3, [NAN] * 6),
        metric("ping", "seconds", [None] * 3, [NAN, NAN, 0.002, NAN, NAN, NAN]),
    ],
    "tags": [["db", 1], ["prod", 1], ["web", 1]],
    "providers": [["static", 2], ["aws", 1]],
    "alerts": {"firing": 0, "pending": 0},
    "notices": [],
    "evaluated_by": {"slot": None, "by": ""},
}


@pytest.fixture
def view():
    made = OverviewPage()
    made.show(deepcopy(DOCUMENT))
    return made


def changed(**parts):
    return {**deepcopy(DOCUMENT), **parts}


def names_shown(view):
    names = view.grid.cols["name"]
    return names if view.grid.shown is None else [names[i] for i in view.grid.shown]


def test_the_grid_has_the_columns_in_their_order_and_the_lines_as_they_came(view):
    assert [c["key"] for c in view.grid.columns] == ["level", "name", "tags", "checks", "ping", "cpu"]
    assert [c["spark"] for c in view.grid.columns if c["kind"] == "spark"] == [0, 1]
    assert view.grid.sparks[:24] == line(NAN, NAN, 0.002, NAN, NAN, NAN)
    assert view.grid.cols["cpu"] == [0.5, None, None] and view.grid.points == 2


def test_a_metric_that_nobody_has_takes_no_room_and_one_whose_values_are_old_keeps_its_column(view):
    keys = {column["key"] for column in view.grid.columns}
    assert "network" not in keys and "ping" in keys


def test_there_is_something_to_say_before_and_when_there_is_nothing():
    view = OverviewPage()
    assert view.grid.empty == "connecting …"
    nodes = {key: [] for key in DOCUMENT["nodes"]}
    metrics = [{**m, "last": [], "spark": ""} for m in DOCUMENT["metrics"]]
    view.show(changed(nodes=nodes, metrics=metrics, tags=[], providers=[]))
    assert "ckkit.toml" in view.grid.empty and view.grid.cols["name"] == []
    assert [group["title"] for group in view.tally.groups] == [""]


def test_what_there_is_to_filter_by_has_its_counts():
    found = {group["title"]: group["items"] for group in groups(DOCUMENT)}
    assert [(i["label"], i["count"], i["query"]) for i in found[""]] == [("all nodes", 3, "*")]
    assert [(i["label"], i["count"]) for i in found["levels"]] == [("critical", 1), ("no data", 1), ("ok", 1)]
    assert (found["tags"][0]["label"], found["tags"][0]["query"]) == ("db", "tag:db")
    assert [(i["label"], i["count"]) for i in found["providers"]] == [("static", 2), ("aws", 1)]


def test_a_tag_of_two_words_is_quoted():
    assert groups(changed(tags=[["two words", 1]]))[2]["items"][0]["query"] == 'tag:"two words"'


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["web0", "db0", "two words"]),
        ("*", ["web0", "db0", "two words"]),
        ("tag:web", ["web0"]),
        ("has:critical", ["db0"]),
        ("has:nodata or provider:static -tag:db", ["web0", "two words"]),
        ('node:"two words"', ["two words"]),
        ("nothing-like-it", []),
    ],
)
def test_the_search_shows_the_nodes_of_the_query(view, query, names):
    view.query = query
    assert names_shown(view) == names
    assert ("of 3 nodes" in view.said.value) == (len(names) < 3)


def test_a_query_that_cannot_be_read_is_said_in_place_and_what_was_shown_stays(view):
    view.query = "tag:web"
    view.query = "tag:web ("
    assert names_shown(view) == ["web0"]
    assert "expected" in view.said.value and "ck-wrong" in view.search._dom_classes
    view.query = "tag:web"
    assert "ck-wrong" not in view.search._dom_classes


def test_a_click_fills_the_search_and_a_second_one_empties_it(view):
    view.tally.chosen = "tag:web"
    assert view.query == "tag:web" and names_shown(view) == ["web0"]
    view.tally.chosen = ""
    assert view.query == ""


def test_what_is_typed_over_a_choice_takes_the_choice_back_and_stays(view):
    view.tally.chosen = "tag:web"
    view.query = "tag:webs"
    assert (view.tally.chosen, view.query) == ("", "tag:webs")


def test_a_search_in_the_url_that_is_a_choice_is_shown_as_one(view):
    view.query = "tag:db"
    assert view.tally.chosen == "tag:db"


def test_the_search_holds_for_the_next_document_too(view):
    view.query = "has:critical"
    levels = {**DOCUMENT["nodes"], "level": ["critical", "ok", "nodata"]}
    view.show(changed(nodes=levels))
    assert names_shown(view) == ["web0"]


def test_a_node_whose_tags_changed_is_found_by_the_new_ones(view):
    view.show(changed(nodes={**DOCUMENT["nodes"], "tags": [["web"], ["web"], []]}))
    view.query = "tag:web"
    assert names_shown(view) == ["web0", "db0"]


def test_the_line_above_tells_alerts_and_times():
    said = header(
        changed(
            alerts={"firing": 2, "pending": 1},
            evaluated_by={"slot": "2026-11-24T12:00:00Z", "by": "notebook"},
            notices=[{"key": "evaluator late", "level": "warn", "text": "a < b", "since": "2026-11-24T11:59:00Z"}],
        )
    )
    for words in ("2 firing", "1 pending", "as of 12:00:10 UTC, updated every 10 s", "12:00:00 UTC by the notebook"):
        assert words in said
    assert "evaluator late" in said and "a &lt; b" in said and "since 11:59:00 UTC" in said


def test_the_title_counts_what_fires(view):
    assert view.title == "Overview · ckkit"
    view.show(changed(alerts={"firing": 3, "pending": 0}))
    assert view.title == "(3) Overview · ckkit"


def test_its_kernel_needs_none_of_the_heavy_libraries():
    heavy = ("pyarrow", "numpy", "pandas", "polars", "plotly", "duckdb", "voila")
    program = (
        "import json, sys\n"
        "import ckkit, ckkit.kit.kit, ckkit.wire.http_client, ckkit.views.page, ckkit.views.overview as overview\n"
        "overview.OverviewPage().show(json.load(sys.stdin))\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    asked = [sys.executable, "-c", program]
    done = subprocess.run(asked, input=json.dumps(DOCUMENT), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
