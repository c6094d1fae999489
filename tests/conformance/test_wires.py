"""Every wire does the same: over the socket, over TCP with a token, within the process."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from ckkit.config import Home, Workspace
from ckkit.errors import CkkitError, Invalid, NotFound, QueryError, Refused, SqlError, TimedOut
from ckkit.hub.hub import Hub
from ckkit.protocols import Wire
from ckkit.wire import HttpWire, StoreWire

TOML = """
[hub]
port = 0
[this_machine]
enabled = false
[[nodes]]
name = "web0"
[[checks]]
node = "web0"
type = "cpu"
passive = true
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub in this process."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "ckkit.toml").write_text(TOML)
    home = Home.find({"CKKIT_HOME": str(folder / "home")})
    made = Hub(home, Workspace(folder))
    made.start()
    yield made
    made.stop()


@pytest.fixture(params=["socket", "tcp", "process"])
def wire(request: pytest.FixtureRequest, here: Hub) -> Iterator[Wire]:
    made: dict[str, Any] = {
        "socket": lambda: HttpWire.connect(here.home),
        "tcp": lambda: HttpWire(url=here.doors.url, token=here.home.token("operator")),
        "process": lambda: StoreWire(here.store, here),
    }
    with closing(made[request.param]()) as wire:
        yield wire


@pytest.fixture
def check_id(here: Hub) -> int:
    found = here.inventory.check("web0/cpu").check_id
    assert found is not None
    return found


def results(check_id: int, at: datetime, values: list[float]) -> pa.Table:
    """Results of the check, a second apart."""
    n = len(values)
    columns = {
        "ts": pa.array([at + timedelta(seconds=i) for i in range(n)], pa.timestamp("ms", "UTC")).cast(
            pa.timestamp("ms")
        ),
        "check_id": pa.array([check_id] * n, pa.uint32()),
        "state": pa.array([0] * n, pa.uint8()),
        "took": pa.array([0.01] * n, pa.float32()),
        "status": ["generated"] * n,
        "busy_ratio": pa.array(values, pa.float64()),
    }
    return pa.table(columns).replace_schema_metadata({"type": "cpu"})


def test_a_read_gives_the_rows_as_a_table(wire: Wire) -> None:
    found = wire.read("select range as n, 'x' || range as word from range(3) order by n")
    assert found.to_pylist() == [{"n": 0, "word": "x0"}, {"n": 1, "word": "x1"}, {"n": 2, "word": "x2"}]


def test_a_read_without_rows_keeps_its_columns(wire: Wire) -> None:
    assert wire.read("select 1 as n, 'x' as word where false").schema.names == ["n", "word"]


@pytest.mark.parametrize(
    "value",
    [
        7,
        -(2**62),
        0.1,
        True,
        "text with $name and 'quotes'",
        "",
        b"\x00bytes",
        None,
        date(2026, 11, 24),
        datetime(2026, 11, 24, 12, 30, 0, 123456),  # noqa: DTZ001  as the store holds times
        ["a", "b"],
        [1, 2, 3],
        Decimal("12.34"),
    ],
)
def test_parameters_keep_their_types(wire: Wire, value: Any) -> None:
    assert wire.read("select $value as found", {"value": value})["found"].to_pylist() == [value]


def test_a_duration_is_added_to_a_time(wire: Wire) -> None:
    found = wire.read("select $day + $span as at", {"day": date(2026, 1, 1), "span": timedelta(days=1, seconds=5)})
    assert found["at"].to_pylist()[0].isoformat() == "2026-01-02T00:00:05"


def test_an_aware_time_is_the_same_moment(wire: Wire) -> None:
    moment = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert wire.read("select $at = timestamptz '2026-11-24 13:00:00+01' as same", {"at": moment})[
        "same"
    ].to_pylist() == [True]


def test_many_batches_come_whole(wire: Wire) -> None:
    found = wire.read("select range as n from range(500000) order by n")
    assert (found.num_rows, found["n"][0].as_py(), found["n"][-1].as_py()) == (500_000, 0, 499_999)


@pytest.mark.parametrize(
    ("sql", "kind", "says"),
    [
        ("select nothing", SqlError, "nothing"),
        ("selekt 1", SqlError, "selekt"),
        ("delete from results", Refused, "SELECT"),
        ("select 1; select 2", Refused, "one statement"),
        ("select $missing", SqlError, "missing"),
    ],
)
def test_bad_sql_says_why(wire: Wire, sql: str, kind: type[CkkitError], says: str) -> None:
    with pytest.raises(kind, match=says):
        wire.read(sql)
    assert wire.read("select 1 as n")["n"].to_pylist() == [1]


def test_an_error_after_the_first_rows_is_raised(wire: Wire) -> None:
    sql = "select case when range < 400000 then range else error('late trouble') end as n from range(500000)"
    with pytest.raises(SqlError, match="late trouble"):
        wire.read(sql)
    assert wire.read("select 2 as n")["n"].to_pylist() == [2]


def test_patience_ends_a_query(wire: Wire) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut, match=r"0\.3 s"):
        wire.read("select count(*) from range(100000000000) a where a.range % 7 = 3", patience_s=0.3)
    assert time.monotonic() - began < 3


def test_an_append_is_acknowledged_once_it_can_be_read(wire: Wire, check_id: int) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    source = uuid4().hex
    receipt = wire.append("results", results(check_id, at, [0.5, 0.25]), source=source, boot="b", sequence=1)
    assert (receipt.rows, receipt.new) == (2, True)
    found = wire.read("select count(*) as n from checks.cpu where ts < timestamp '2026-01-02'")
    assert found["n"][0].as_py() >= 2


def test_an_append_sent_twice_counts_once(wire: Wire, check_id: int) -> None:
    data, source = results(check_id, datetime(2025, 1, 1, tzinfo=UTC), [0.1]), uuid4().hex
    before = wire.read("select count(*) as n from results")["n"][0].as_py()
    assert [wire.append("results", data, source=source, boot="b", sequence=7).new for _ in range(3)] == [
        True,
        False,
        False,
    ]
    assert wire.read("select count(*) as n from results")["n"][0].as_py() == before + 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda table: table.replace_schema_metadata({}), "type"),
        (lambda table: table.drop_columns(["state"]), "state"),
        (lambda table: table.set_column(1, "check_id", pa.array([99], pa.uint32())), "99"),
    ],
)
def test_a_bad_append_names_what_is_wrong(wire: Wire, check_id: int, change: Any, says: str) -> None:
    data = change(results(check_id, datetime(2025, 2, 1, tzinfo=UTC), [0.1]))
    with pytest.raises(Invalid, match=says):
        wire.append("results", data, source=uuid4().hex, boot="b", sequence=1)


def test_only_results_can_be_appended(wire: Wire, check_id: int) -> None:
    with pytest.raises(Invalid, match="audit"):
        wire.append(
            "audit", results(check_id, datetime(2025, 2, 1, tzinfo=UTC), [0.1]), source="s", boot="b", sequence=1
        )


def test_a_command_returns_plain_values(wire: Wire) -> None:
    (node,) = wire.command("nodes.list", {"query": "web0"})
    assert (node["name"], node["checks"]) == ("web0", 1)


@pytest.mark.parametrize(
    ("name", "payload", "kind", "says"),
    [
        ("nodes.lists", None, NotFound, r"nodes\.list"),
        ("nodes.list", {"querry": "x"}, Invalid, "querry"),
        ("nodes.list", {"query": 7}, Invalid, r"\$\.query"),
        ("nodes.list", {"query": "(("}, QueryError, r"\(\("),
        ("checks.remove", {"check": "web0/none"}, NotFound, "web0/cpu"),
    ],
)
def test_a_command_refuses_what_it_does_not_know(
    wire: Wire, name: str, payload: Any, kind: type[CkkitError], says: str
) -> None:
    with pytest.raises(kind, match=says):
        wire.command(name, payload)


def test_watching_yields_what_happens_after(wire: Wire, here: Hub, check_id: int) -> None:
    with closing(wire.watch(["results"])) as events:  # type: ignore[type-var]  every watch can be closed
        receipt = wire.append(
            "results",
            results(check_id, datetime(2025, 3, 1, tzinfo=UTC), [0.1]),
            source=uuid4().hex,
            boot="b",
            sequence=1,
        )
        event = next(events)
    assert receipt.new
    assert (event.topic, event.payload["rows"], event.ts.tzinfo) == ("results", 1, UTC)
    assert event.seq == here.store.last_seq()


def test_watching_since_repeats_what_was_stored(wire: Wire, here: Hub) -> None:
    emitted = here.store.last_seq()
    here.store.write(lambda tx: [tx.emit("jobs.requested", "a"), tx.emit("jobs.failed", "b"), tx.emit("nodes", "c")])
    with closing(wire.watch(["jobs.*"], since=emitted)) as events:  # type: ignore[type-var]
        found = [next(events), next(events)]
    assert [(event.topic, event.scope, event.seq - emitted) for event in found] == [
        ("jobs.requested", "a", 1),
        ("jobs.failed", "b", 2),
    ]


def test_a_watch_is_closed_from_another_thread(wire: Wire) -> None:
    events = wire.watch(["jobs.requested"])
    ended = threading.Event()

    def read() -> None:
        for _ in events:
            pass
        ended.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    time.sleep(0.05)
    events.close()  # type: ignore[attr-defined]
    assert ended.wait(5)
    thread.join()


def test_no_topic_of_that_kind(wire: Wire) -> None:
    with pytest.raises(Invalid, match="no topic"):
        wire.watch(["No Topic!"])


def test_the_store_alone_refuses_what_needs_a_hub(tmp_path: Path, here: Hub) -> None:
    alone = StoreWire(here.store)
    assert alone.read("select 1 as n")["n"].to_pylist() == [1]
    for ask in (lambda: alone.command("nodes.list"), lambda: alone.watch(["nodes"])):
        with pytest.raises(Refused, match=r"\./ck up"):
            ask()
