"""Results in the store: layout, ids, positions, rounding, what is refused, what counts once."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckkit.errors import Invalid
from ckkit.model import EPOCH, Check, Metric, Node, Result, State
from ckkit.store import Store
from ckkit.store.results import FIRST_MS, LAST_MS, rounded

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "ckkit.duckdb", clock=lambda: NOW)
    store.inventory.declare([Metric(type="net", name="bytes_total", kind="counter", unit="bytes")])
    store.inventory.sync(
        [Node(name="web0", tags=("web",)), Node(name="web1")],
        [Check(node=n, type=t) for n in ("web0", "web1") for t in ("cpu", "net")],
    )
    yield store
    store.close()


def ids(store, kind):
    return [c.check_id for c in store.inventory.checks() if c.type == kind]


def table(check_ids, kind="cpu", **metrics):
    rows = len(check_ids)
    columns = {
        "ts": pa.array([NOW] * rows, pa.timestamp("ms", "UTC")),
        "check_id": pa.array(check_ids, pa.uint32()),
        "state": pa.array([0] * rows, pa.uint8()),
        "took": pa.array([0.5] * rows, pa.float32()),
        "status": pa.array(["fine"] * rows),
    }
    return pa.table(columns | {k: pa.array(v, pa.float64()) for k, v in metrics.items()}).replace_schema_metadata(
        {"type": kind}
    )


def append(store, data, sequence=1, source="test", boot="a"):
    return store.append("results", data, source=source, boot=boot, sequence=sequence)


def test_a_view_a_type_has_the_metrics_as_columns(store):
    append(store, table(ids(store, "cpu"), busy_ratio=[0.25, 0.5]))
    rows = store.query(
        "select ts, node, busy_ratio, state, status, took_seconds from checks.cpu order by node"
    ).to_pylist()
    assert rows == [
        {
            "ts": NOW.replace(tzinfo=None),
            "node": n,
            "busy_ratio": v,
            "state": "ok",
            "status": "fine",
            "took_seconds": 0.5,
        }
        for n, v in (("web0", 0.25), ("web1", 0.5))
    ]


def test_the_checks_of_a_type_lie_together(store):
    for kind in ("cpu", "net"):
        assert len({i >> 20 for i in ids(store, kind)}) == 1
    assert len({i >> 20 for k in ("cpu", "net") for i in ids(store, k)}) == 2


def test_a_metric_keeps_its_position_and_a_new_one_takes_the_next(store):
    first = ids(store, "cpu")[:1]
    append(store, table(first, a=[1], b=[2]), 1)
    append(store, table(first, c=[3], a=[4]), 2)
    assert [store.inventory.position("cpu", m) for m in "abc"] == [1, 2, 3]
    assert store.query("select a, b, c from checks.cpu order by a").to_pylist() == [
        {"a": 1.0, "b": 2.0, "c": None},
        {"a": 4.0, "b": None, "c": 3.0},
    ]


def test_more_than_sixteen_metrics_go_to_the_list(store):
    append(store, table(ids(store, "cpu"), **{f"m{i}": [i, i + 0.5] for i in range(40)}))
    assert store.query("select m0, m16, m39 from checks.cpu order by m0").to_pylist() == [
        {"m0": 0.0, "m16": 16.0, "m39": 39.0},
        {"m0": 0.5, "m16": 16.5, "m39": 39.5},
    ]


def test_gauges_are_rounded_and_counters_are_not(store):
    append(store, table(ids(store, "net")[:1], kind="net", bytes_total=[123456789.0], rate=[123456789.0]))
    assert store.query("select bytes_total, rate from checks.net").to_pylist() == [
        {"bytes_total": 123456789.0, "rate": 123457000.0}
    ]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
def test_rounding_keeps_six_digits_and_what_is_no_number(values):
    for before, after in zip(values, rounded(np.array(values, dtype=np.float64)).tolist(), strict=True):
        if math.isnan(before):
            assert math.isnan(after)
        elif math.isinf(before) or before == 0 or not 1e-15 < abs(before) < 1e15:
            assert after == before
        else:
            assert after == pytest.approx(float(f"{before:.5e}"), rel=1.1e-6)
            assert len(repr(after).split("e")[0].strip("-0.").replace(".", "").rstrip("0")) <= 7


def test_delivered_twice_counts_once_and_a_new_boot_counts_anew(store):
    data = table(ids(store, "cpu"), a=[1, 2])
    assert [append(store, data, n).new for n in (1, 1, 2, 1)] == [True, False, True, False]
    assert append(store, data, 1, boot="b").new
    assert append(store, data, 1, source="other").new
    assert store.query("select count(*) as n from results")["n"][0].as_py() == 8


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t.replace_schema_metadata({}), "do not say their check type"),
        (lambda t: t.drop_columns(["state"]), "have no column state"),
        (lambda t: t.set_column(1, "check_id", pa.array([7, 7], pa.uint32())), "no check with the id 7"),
        (lambda t: t.replace_schema_metadata({"type": "net"}), "is of the type 'cpu', not 'net'"),
        (lambda t: t.set_column(2, "state", pa.array([0, 9], pa.uint8())), "have the state 9"),
        (lambda t: t.append_column("x", pa.array(["a", "b"])), "a column that is not what it must be"),
        (lambda t: t.set_column(0, "ts", pa.array([None, NOW], pa.timestamp("ms"))), "rows without ts"),
        (lambda t: t.set_column(0, "ts", pa.array([2**62, 0], pa.timestamp("ms"))), "not between 2000 and 2100"),
        (lambda t: t.set_column(0, "ts", pa.array([0, 0], pa.timestamp("ms"))), "not between 2000 and 2100"),
    ],
)
def test_what_is_refused_is_said_and_stores_nothing(store, spoil, said):
    good = table(ids(store, "cpu"), a=[1, 2])
    with pytest.raises(Invalid, match=said):
        append(store, spoil(good))
    assert store.query("select count(*) as n from results")["n"][0].as_py() == 0
    assert append(store, good).new  # the same sequence, put right


def test_one_bad_batch_spoils_no_other_of_its_group(store):
    good = [table(ids(store, "cpu"), a=[n, n]) for n in range(20)]
    answers = []
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(append, store, t, 1, source=f"s{n}") for n, t in enumerate(good)]
        bad = pool.submit(append, store, table([99], a=[1]), 1, source="bad")
        answers = [j.result().rows for j in jobs]
    assert answers == [2] * 20
    with pytest.raises(Invalid):
        bad.result()


def test_the_marks_of_many_sources_are_kept_over_a_restart(tmp_path):
    import threading

    path = tmp_path / "many" / "ckkit.duckdb"
    store = Store.open(path)
    store.inventory.sync([Node(name="n")], [Check(node="n", type="cpu")])
    data = table(ids(store, "cpu"), a=[1])
    for sequence in (1, 2, 3):
        hold, held = threading.Event(), threading.Event()
        first = threading.Thread(
            target=lambda held=held, hold=hold: store.write(lambda tx: (held.set(), hold.wait(10)))
        )
        first.start()
        held.wait(10)  # what is sent now waits, and is one group
        senders = [
            threading.Thread(target=append, args=(store, data, sequence), kwargs={"source": f"s{n}"})
            for n in range(sequence * 4)  # some are new, some are known
        ]
        for sender in senders:
            sender.start()
        hold.set()
        for thread in (first, *senders):
            thread.join(10)
    store.close()
    store = Store.open(path)
    kept = store.query("select source, boot, sequence from sources order by length(source), source").to_pylist()
    assert kept == [{"source": f"s{n}", "boot": "a", "sequence": 3} for n in range(12)]
    assert store.query("select count(*) as n from results")["n"][0].as_py() == 4 + 8 + 12
    assert not append(store, data, 3, source="s11").new
    store.close()


def test_results_of_several_types_come_as_records(store):
    cpu, net = ids(store, "cpu")[0], ids(store, "net")[0]
    results = [
        Result(check_id=cpu, ts=NOW, state=State.OK, took_seconds=0.1, values={"a": 1.0}),
        Result(check_id=net, ts=NOW + timedelta(seconds=1), state=State.ERR, took_seconds=2.0, status="refused"),
    ]
    assert store.results(results, source="c", boot="a", sequence=1).rows == 2
    assert store.query("select state, status, bytes_total from checks.net").to_pylist() == [
        {"state": "err", "status": "refused", "bytes_total": None}
    ]


def test_rows_and_their_notice_are_one_and_listeners_hear_them_after_the_commit(store):
    events, rows = [], []
    store.on_commit(lambda found: events.extend(found))
    store.on_results(
        lambda found: rows.append((found.num_rows, store.query("select count(*) as n from results")["n"][0].as_py()))
    )
    append(store, table(ids(store, "cpu"), a=[1, 2]))
    append(store, table(ids(store, "cpu"), a=[1, 2]), 2)  # the first has been told by now
    assert rows[0] == (2, 2)
    assert events[0].topic == "results"
    assert events[0].payload == {"types": {"cpu": 2}, "rows": 2}
    assert store.events(events[0].seq - 1)[0] == events[0]


def test_a_status_text_is_cut(store):
    data = table(ids(store, "cpu")[:1], a=[1]).set_column(4, "status", pa.array(["x" * 10_000]))
    append(store, data)
    assert store.query("select length(status) as n from results")["n"][0].as_py() == 4096


def test_aware_parameters_mean_the_same_in_every_zone(tmp_path, monkeypatch):
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        store = Store.open(tmp_path / "zone" / "ckkit.duckdb")
        found = store.query("select timestamp_ms '2026-03-01 12:00:00' = $t as same, $t::timestamp as t", {"t": NOW})
        assert found.to_pylist() == [{"same": True, "t": NOW.replace(tzinfo=None)}]
        ((_, batch),) = [tuple(store.read("select timestamp_ms '2026-03-01 12:00:00' = $t as same", {"t": NOW}))]
        assert batch.to_pylist() == [{"same": True}]
        store.close()
    finally:
        monkeypatch.undo()
        time.tzset()


@given(
    st.lists(
        st.tuples(
            st.integers(FIRST_MS * 1000, LAST_MS * 1000 - 1).map(lambda us: EPOCH + timedelta(microseconds=us)),
            st.sampled_from(list(State)),
            st.floats(0, 1e6, width=32),
            st.text(max_size=20).filter(lambda text: "\x00" not in text and text.isprintable()),
            st.dictionaries(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), st.integers(-99999, 99999), max_size=26),
        ),
        min_size=1,
        max_size=20,
    )
)
@settings(max_examples=20, deadline=None)
def test_what_is_appended_comes_back(runs):
    with TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "ckkit.duckdb")
        store.inventory.sync([Node(name="n")], [Check(node="n", type="t")])
        (check,) = store.inventory.checks()
        results = [
            Result(
                check_id=check.check_id,
                ts=ts,
                state=state,
                took_seconds=took,
                status=status,
                values={name: float(value) for name, value in values.items()},
            )
            for ts, state, took, status, values in runs
        ]
        store.results(results, source="s", boot="b", sequence=1)
        found = []
        for row in store.query("select * exclude (node, instance, check_id) from checks.t").to_pylist():
            known = [row.pop(name) for name in ("ts", "state", "status", "took_seconds")]
            found.append((*known, {name: value for name, value in row.items() if value is not None}))
        store.close()
    wanted = [
        (
            r.ts.replace(tzinfo=None, microsecond=r.ts.microsecond // 1000 * 1000),
            str(r.state),
            r.status,
            r.took_seconds,
            dict(r.values),
        )
        for r in results
    ]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)


def test_a_batch_without_rows_is_taken(store):
    assert append(store, table([], a=[])).rows == 0
    assert not append(store, table([], a=[])).new


def test_columns_in_pieces_and_out_of_order_are_put_together_and_sorted(store):
    first, second = ids(store, "cpu")
    pieces = pa.concat_tables([table([second, first], a=[2, 1]), table([second, first], a=[4, 3])])
    seen = []
    store.on_results(lambda rows: seen.append(rows["check_id"].to_pylist()))
    append(store, pieces)
    append(store, table([], a=[]), 2)
    assert seen[0] == [first, first, second, second]
    assert [row["a"] for row in store.query("select a from checks.cpu order by node, a").to_pylist()] == [1, 3, 2, 4]


@pytest.mark.parametrize(
    "spoil",
    [
        {"status": "\ud800 half a letter"},
        {"values": {"a": 10**400}},
        {"values": {"a": "much"}},
        {"values": {"a\nb": 1.0}},
        {"took_seconds": "long"},
        {"ts": NOW.replace(tzinfo=None)},
    ],
    ids=lambda spoil: next(iter(spoil)),
)
def test_a_record_that_can_never_be_stored_is_invalid_and_not_tried_for_ever(store, spoil):
    good = {"check_id": ids(store, "cpu")[0], "ts": NOW, "state": State.OK, "took_seconds": 0.1, "values": {"a": 1.0}}
    with pytest.raises(Invalid):
        store.results([Result(**good), Result(**(good | spoil))], source="c", boot="a", sequence=1)
    assert store.results([Result(**good)], source="c", boot="a", sequence=1).new


def test_a_status_may_hold_anything_that_is_text(store):
    text = "\x00 \u2028 ☠ '; drop table results; -- \t"
    row = Result(check_id=ids(store, "cpu")[0], ts=NOW, state=State.OK, took_seconds=0.0, status=text)
    store.results([row], source="c", boot="a", sequence=1)
    assert store.query("select status from checks.cpu")["status"].to_pylist() == [text]
