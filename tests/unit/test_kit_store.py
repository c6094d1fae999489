"""The kit on a real store without a hub, as `ckkit.open(file)` gives it: series, SQL, lists, completions, refusals."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import ckkit
from ckkit.errors import CkkitError, Invalid, NotFound, QueryError, Refused, SqlError, StoreLocked
from ckkit.kit.kit import NOUNS, Kit
from ckkit.model import Check, Metric, Node, Result, State
from ckkit.store import Store
from ckkit.views.charts import chart

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NODES = (
    Node(name="web0", tags=("web",), private_addresses=("10.0.0.1",)),
    Node(name="web1", tags=("web", "prod")),
    Node(name="db0", provider="libcloud"),
)
CHECKS = (
    Check(node="web0", type="cpu"),
    Check(node="web1", type="cpu"),
    Check(node="db0", type="cpu"),
    Check(node="web0", type="disk", instance="/", params={"path": "/"}),
    Check(node="web0", type="disk", instance="/srv"),
    Check(node="web0", type="traffic"),
    Check(node="web1", type="http", instance="home", params={"url": "http://web1/"}),
)
METRICS = (
    Metric(name="busy_ratio", type="cpu", unit="ratio", help="not idle"),
    Metric(name="free_bytes", type="disk", unit="bytes"),
    Metric(name="node", type="disk", help="a metric with the name of a column"),
    Metric(name="received_bytes_total", type="traffic", kind="counter", unit="bytes"),
    Metric(name="duration_seconds", type="http", unit="seconds"),
)
EVERY = timedelta(seconds=10)


def values_of(check: Check, i: int) -> dict[str, float]:
    """The i-th of the 60 results of a check; the counter starts again at the 30th."""
    return {
        "cpu": {"busy_ratio": {"web0": 0.25, "web1": 0.5, "db0": 0.75}[check.node]},
        "disk": {"free_bytes": 1e9, "node": 7.0},
        "traffic": {"received_bytes_total": 1000.0 * (i if i < 30 else i - 30)},
        "http": {},
    }[check.type]


def fill(path: Path) -> None:
    """A store with ten minutes of results before NOW; the http check has none yet."""
    store = Store.open(path, clock=lambda: NOW)
    try:
        store.inventory.declare(METRICS)
        store.inventory.sync(NODES, CHECKS)
        known = {check.key: check for check in store.inventory.checks()}
        results = [
            Result(
                check_id=known[check.key].check_id or 0,
                ts=NOW - EVERY * (60 - i),
                state=State.WARN if check.type == "disk" else State.OK,
                took_seconds=0.002,
                status="nearly full" if check.type == "disk" else "",
                values=values_of(check, i),
            )
            for check in CHECKS
            if check.type != "http"
            for i in range(60)
        ]
        store.results(results, source="test", boot="1", sequence=1)
    finally:
        store.close()


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    path = tmp_path_factory.mktemp("kit") / "ckkit.duckdb"
    fill(path)
    kit = ckkit.open(path)
    kit.clock = lambda: NOW
    yield kit
    kit.close()


# series


def test_a_series_has_a_row_a_node_and_bucket_with_the_unit_on_the_value(kit: Kit) -> None:
    found = kit.series("cpu.busy_ratio", since="10m", step="1m")
    assert found.columns == ["bucket", "node", "instance", "value"]
    assert len(found) == 30
    assert found["node"] == ["db0"] * 10 + ["web0"] * 10 + ["web1"] * 10
    assert found["bucket"][:10] == [NOW - timedelta(minutes=10 - i) for i in range(10)]
    assert set(found["value"][:10]) == {0.75}
    assert found.arrow.schema.field("value").metadata[b"unit"] == b"ratio"


@pytest.mark.parametrize(
    ("query", "nodes"),
    [("*", {"web0", "web1", "db0"}), ("tag:web", {"web0", "web1"}), ("-tag:web", {"db0"}), ("web1", {"web1"}),
     ("tag:nothing", set())],
)  # fmt: skip
def test_a_series_is_of_the_nodes_of_a_query(kit: Kit, query: str, nodes: set[str]) -> None:
    assert set(kit.series("cpu.busy_ratio", query, since="10m")["node"]) == nodes


def test_a_series_may_be_of_one_instance(kit: Kit) -> None:
    assert set(kit.series("disk.free_bytes", since="10m")["instance"]) == {"/", "/srv"}
    assert set(kit.series("disk.free_bytes", since="10m", instance="/srv")["instance"]) == {"/srv"}


def test_a_counter_is_a_rate_and_survives_its_restart(kit: Kit) -> None:
    found = kit.series("traffic.received_bytes_total", since="9m", step="1m")
    rates = found["value"]
    assert [round(rate) for rate in rates[:4]] == [100] * 4  # 1000 bytes in each 10 s
    assert min(rates) > 80  # the minute of the restart lost one step, and is not negative
    assert found.arrow.schema.field("value").metadata[b"unit"] == b"bytes/s"


@pytest.mark.parametrize(("how", "value"), [("min", 30_000), ("max", 35_000), ("last", 35_000), ("avg", 32_500)])
def test_a_bucket_keeps_what_is_asked_for(kit: Kit, how: str, value: float) -> None:
    found = kit.series(
        "traffic.received_bytes_total", since=NOW - timedelta(minutes=10), until="5m", step="5m", aggregate=how
    )
    assert found.arrow.schema.field("value").metadata[b"unit"] == b"bytes"
    last_minute = kit.series("traffic.received_bytes_total", since="1m", step="1m", aggregate=how)
    assert last_minute["value"] == [pytest.approx(value - 6000)]


def test_every_type_has_the_time_its_checks_took(kit: Kit) -> None:
    found = kit.series("disk.took_seconds", since="10m", instance="/")
    assert found["value"] == [pytest.approx(0.002)] * len(found) != []
    assert kit.metrics["disk.took_seconds"].unit == "seconds"


def test_a_metric_with_the_name_of_a_column_is_the_metric(kit: Kit) -> None:
    assert set(kit.series("disk.node", since="10m")["value"]) == {7.0}


def test_a_series_without_results_is_empty_and_its_chart_says_since_when(kit: Kit) -> None:
    found = kit.series("http.duration_seconds", since="10m")
    assert len(found) == 0
    assert found.columns == ["bucket", "node", "instance", "value"]
    assert chart(found).layout["annotations"][0]["text"] == "no results since 2026-11-24 11:50:00 UTC"


def test_a_series_goes_to_pandas_polars_and_a_chart_as_it_is(kit: Kit) -> None:
    found = kit.series("cpu.busy_ratio", "tag:web", since="10m")
    assert found.polars().height == len(found.pandas()) == len(found)
    assert str(found.pandas()["bucket"].dtype) == "datetime64[us, UTC]"
    assert [trace["name"] for trace in chart(found).data] == ["web0", "web1"]


def test_by_default_there_are_at_most_300_buckets(kit: Kit) -> None:
    day = kit.series("cpu.busy_ratio", "web0", since="1d")
    assert len(day) == 2 and day["bucket"][0] == NOW - timedelta(minutes=10)  # the step is 5 minutes


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"metric": "cpu.bussy_ratio"}, NotFound, "did you mean cpu.busy_ratio"),
        ({"metric": 'cpu" union select 1 --'}, NotFound, "no metric"),
        ({"metric": "cpu.busy_ratio", "nodes": "tga:web"}, QueryError, "tag"),
        ({"metric": "cpu.busy_ratio", "since": "sometime"}, Invalid, "how long ago"),
        ({"metric": "cpu.busy_ratio", "step": "0s"}, Invalid, "longer than nothing"),
        ({"metric": "cpu.busy_ratio", "until": "2h"}, Invalid, "must be before"),
        ({"metric": "cpu.busy_ratio", "aggregate": "median"}, Invalid, "there are avg"),
    ],
)
def test_what_a_series_cannot_answer_says_why(
    kit: Kit, arguments: dict[str, str], error: type[CkkitError], says: str
) -> None:
    with pytest.raises(error, match=says):
        kit.series(**arguments)  # type: ignore[arg-type]


def test_one_shape_of_question_is_one_text(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    read = kit.wire.read

    def heard(sql: str, params: object = None, **more: object) -> object:
        texts.append(sql)
        return read(sql, params, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(kit.wire, "read", heard)
        kit.series("disk.free_bytes", "web0", since="1h", instance="/")
        kit.series("disk.free_bytes", "tag:web or db0", since="6h", until="1h", step="7m", instance="it's")
    asked = [text for text in texts if "time_bucket" in text]
    assert len(asked) == 2
    assert asked[0] == asked[1]
    assert not re.search(r"web0|it's|'", asked[0])


# SQL


def test_sql_takes_parameters_by_name_and_gives_aware_times(kit: Kit) -> None:
    found = kit.sql(
        "select ts, node, busy_ratio from checks.cpu where node = $node order by ts desc limit $most",
        node="web0",
        most=2,
    )
    assert [row["ts"] for row in found] == [NOW - EVERY, NOW - EVERY * 2]
    assert found["node"] == ["web0", "web0"]


@pytest.mark.parametrize(
    ("sql", "error"),
    [("select nothing from checks.cpu", SqlError), ("drop table results", Refused), ("select 1; select 2", Refused)],
)
def test_sql_that_is_wrong_or_would_write_is_told(kit: Kit, sql: str, error: type[CkkitError]) -> None:
    with pytest.raises(error):
        kit.sql(sql)


# nouns


def test_nodes_are_listed_by_query_with_their_checks(kit: Kit) -> None:
    found = kit.nodes.list("tag:web")
    assert [node.name for node in found] == ["web0", "web1"]
    assert found.checks == {"web0": 4, "web1": 2}
    assert found[0].private_addresses == ("10.0.0.1",)
    assert "10.0.0.1" in found._repr_html_()
    assert "4 checks" in found._repr_html_()
    assert [node.name for node in kit.nodes.list("type:http")] == ["web1"]


def test_a_node_shows_the_newest_result_of_each_of_its_checks(kit: Kit) -> None:
    node = kit.nodes["web0"]
    assert node.record == NODES[0].__class__(**{**as_dict(NODES[0]), "node_id": node.record.node_id})
    assert [check.name for check in node.checks] == ["cpu", "disk:/", "disk:/srv", "traffic"]
    html = node._repr_html_()
    assert "busy_ratio 25 %" in html
    assert "free_bytes 953.7 MiB" in html or "free_bytes 954 MiB" in html
    assert "nearly full" in html
    assert "2026-11-24 11:59:50" in html
    assert repr(node) == "<node web0 (running) at 10.0.0.1: web>"


def test_a_node_whose_checks_have_no_results_yet_is_shown_too(kit: Kit) -> None:
    html = kit.nodes["web1"]._repr_html_()
    assert "busy_ratio 50 %" in html


def test_a_series_of_a_node_is_of_that_node_only(kit: Kit) -> None:
    assert set(kit.nodes["web1"].series("cpu.busy_ratio", since="10m")["node"]) == {"web1"}


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda kit: kit.nodes["wbe0"], "no node 'wbe0': did you mean web0?"),
        (lambda kit: kit.nodes["zzz"], "there are db0, web0, web1"),
        (lambda kit: kit.checks["web0/dsk:/"], "did you mean web0/disk:/"),
        (lambda kit: kit.metrics["cpu.busy"], "did you mean cpu.busy_ratio"),
        (lambda kit: kit.monitors["any"], "no monitor 'any': there is none yet"),
    ],
)
def test_what_does_not_exist_names_the_nearest_that_does(kit: Kit, ask: object, says: str) -> None:
    with pytest.raises(NotFound, match=re.escape(says)):
        ask(kit)  # type: ignore[operator]


def test_checks_are_listed_by_query_and_type(kit: Kit) -> None:
    assert [check.key for check in kit.checks.list("web0", "disk")] == ["web0/disk:/", "web0/disk:/srv"]
    found = kit.checks["web1/http:home"]
    assert found.params == {"url": "http://web1/"}
    assert found.every == timedelta(seconds=10)


def test_tab_offers_nodes_checks_metrics_and_the_nouns(kit: Kit) -> None:
    assert list(kit.nodes._ipython_key_completions_()) == ["db0", "web0", "web1"]
    assert "web0/disk:/srv" in kit.checks._ipython_key_completions_()
    assert list(kit.metrics._ipython_key_completions_())[:2] == ["cpu.busy_ratio", "cpu.took_seconds"]
    assert list(kit.monitors._ipython_key_completions_()) == []
    assert set(NOUNS) <= set(dir(kit))
    assert not [name for name in dir(kit) if name.startswith("_")]


def test_tab_is_silent_where_nobody_answers() -> None:
    class Dead:
        def command(self, name: str, payload: object = None) -> object:
            raise ckkit.HubUnreachable("no hub answers")

    assert list(Kit(Dead()).nodes._ipython_key_completions_()) == []  # type: ignore[arg-type]


def test_what_is_empty_says_so(kit: Kit) -> None:
    assert repr(kit.alerts.list("firing")) == "no alert is firing"
    assert repr(kit.alerts.transitions("1d")) == "no change of state"
    assert repr(kit.notifications.list("1d")) == "nothing was sent"
    assert "no monitor yet" in repr(kit.monitors.list())
    assert "no silence" in repr(kit.silences.list())
    assert repr(kit.jobs.runs()) == "no runs yet"


def test_every_noun_has_a_repr_that_says_what_it_can(kit: Kit) -> None:
    assert repr(kit.hub) == "<kit.hub: notices, reload, status>"
    assert "nodes" in repr(kit)
    assert str(kit.where) in repr(kit)


# without a hub


@pytest.mark.parametrize(
    "ask",
    [
        lambda kit: kit.checks.run("web0/cpu"),
        lambda kit: kit.silences.add(lasts="1h", comment="quiet"),
        lambda kit: kit.monitors.evaluate(),
        lambda kit: kit.nodes["web0"].processes(),
        lambda kit: kit.hub.status(),
        lambda kit: kit.overview(),
        lambda kit: next(kit.events.watch("nodes")),
        lambda kit: kit.events.on("nodes", print),
        lambda kit: kit.jobs.run("disk_forecast"),
    ],
)
def test_what_needs_a_hub_says_so_and_how_to_start_one(kit: Kit, ask: object) -> None:
    with pytest.raises(Refused, match=r"needs a running hub.*ckkit\.duckdb.*\./ck up"):
        ask(kit)  # type: ignore[operator]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no store file .*nothing\.duckdb"):
        ckkit.open(tmp_path / "nothing.duckdb")
    assert not (tmp_path / "nothing.duckdb").exists()


def test_a_file_that_a_hub_owns_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ckkit.duckdb"
    store = Store.open(path)
    try:
        with pytest.raises(StoreLocked):
            ckkit.open(path)
    finally:
        store.close()


def test_closing_a_kit_gives_the_file_back(tmp_path: Path) -> None:
    path = tmp_path / "ckkit.duckdb"
    fill(path)
    for _ in range(2):
        with ckkit.open(str(path)) as kit:
            assert len(kit.nodes.list()) == 3


def as_dict(node: Node) -> dict[str, object]:
    return {name: getattr(node, name) for name in node.__dataclass_fields__}
