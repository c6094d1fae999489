"""The node page: how a node stands, what its charts show, what is said where there is nothing."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ckkit.model import Alert, Check, Level, Node, Process, Result, State, Status, Transition
from ckkit.views.history import figure, figures, legend_rows
from ckkit.views.nodepage import NodePage, level_of

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
EVERY = timedelta(seconds=10)


def check(name="cpu", instance=""):
    return Check(check_id=1, node="web0", type=name, instance=instance, every=EVERY)


def result(state=State.OK, age=1.0, status="fine"):
    return Result(check_id=1, ts=NOW - timedelta(seconds=age), state=state, took_seconds=0.002, status=status)


def alert(level=Level.CRITICAL, status=Status.FIRING):
    return Alert(
        monitor="door", check_id=1, node="web0", check="tcp:door", status=status, level=level, since=NOW, slot=NOW,
        rule="connect_seconds > 1", text="refused",
    )  # fmt: skip


def transition(after=Status.FIRING, name="cpu"):
    return Transition(
        slot=NOW - timedelta(seconds=30), monitor="busy", node="web0", check=name, check_id=1, before=Status.OK,
        after=after, level=Level.WARN, reason="condition",
    )  # fmt: skip


class Measured:
    """What the kit says of a check, of one value a second."""

    def __init__(self, name="cpu", unit="ratio", start=60, seconds=30, **metrics):
        self.check, self.unit, self.metrics = check(name), unit, tuple(metrics)
        times = [NOW - timedelta(seconds=start - i) for i in range(seconds)]
        columns = {"ts": pa.array(times, pa.timestamp("ms", "UTC"))}
        columns |= {key: pa.array([value] * seconds, pa.float64()) for key, value in metrics.items()}
        columns["took_seconds"] = pa.array([0.002] * seconds, pa.float64())
        self.frame = type("Frame", (), {"arrow": pa.table(columns)})()


@pytest.mark.parametrize(
    ("results", "alerts", "level"),
    [
        ([result()], [], Level.OK),
        ([result(), result(State.WARN)], [], Level.WARN),
        ([result(State.WARN), result(State.ERR)], [], Level.CRITICAL),  # the worst counts
        ([result(State.ERR, age=31)], [], Level.NODATA),  # what is old says nothing of now
        ([], [], Level.NODATA),
        ([result()], [alert(Level.WARN)], Level.WARN),
        ([result()], [alert(Level.CRITICAL, Status.PENDING)], Level.OK),  # not yet
        ([result(State.WARN)], [alert(Level.CRITICAL)], Level.CRITICAL),
    ],
)
def test_how_a_node_stands(results, alerts, level):
    assert level_of([(check(), each) for each in results], alerts, NOW) is level


def test_there_is_nothing_to_see_before_there_is_a_node():
    view = NodePage()
    assert view.box.layout.display == "none"
    view.show_facts(Node(name="web0"), [], [], [], unit={}, now=NOW)
    assert view.box.layout.display is None


def test_the_facts_of_a_node_are_there_and_are_escaped():
    view = NodePage()
    node = Node(name="web<0>", tags=("web",), private_addresses=("10.0.0.1",), details={"system": "Debian"})
    changes = [transition()]
    view.show_facts(node, [(check(), result(State.ERR, status="<refused>"))], [alert()], changes, unit={}, now=NOW)
    for words in ("web&lt;0&gt;", "10.0.0.1", "Debian", "web", "critical"):
        assert words in view.head.value
    assert "&lt;refused&gt;" in view.checks.value and "1s ago" in view.checks.value
    assert "door" in view.changes.value and "busy" in view.changes.value


def test_nothing_wrong_and_nothing_changed_is_said():
    view = NodePage()
    view.show_facts(Node(name="web0"), [(check(), result())], [], [], unit={}, now=NOW)
    assert "every monitor is ok" in view.changes.value and "none in the last 7 days" in view.changes.value


def test_a_chart_has_the_values_above_and_the_time_it_took_below():
    drawn = figure(Measured(busy_ratio=0.5, user_ratio=0.25))
    assert [trace["name"] for trace in drawn["data"]] == ["busy_ratio", "user_ratio", "took"]
    assert set(drawn["data"][0]["y"]) == {50}
    assert drawn["data"][2]["yaxis"] == "y2" and drawn["layout"]["yaxis2"]["title"]["text"] == "took ms"


def test_a_metric_without_a_value_is_left_out():
    drawn = figure(Measured(busy_ratio=0.5, steal_ratio=None))
    assert [trace["name"] for trace in drawn["data"]] == ["busy_ratio", "took"]


def test_a_check_that_only_failed_shows_the_time_it_took():
    drawn = figure(Measured("http", "seconds", duration_seconds=None))
    assert drawn["layout"]["title"]["text"] == "http: no values"
    assert len(drawn["data"]) == 1 and set(drawn["data"][0]["y"]) == {2}
    assert drawn["layout"]["yaxis"]["title"]["text"] == "took ms"


def test_a_check_without_results_says_so():
    drawn = figure(Measured(seconds=0, busy_ratio=0.5))
    assert drawn["data"] == [] and drawn["layout"]["annotations"][0]["text"] == "no results"


def test_all_charts_are_over_the_same_time_so_that_one_that_stopped_shows_it():
    ends = {tuple(one["layout"]["xaxis"]["range"]) for one in figures([Measured(start=60), Measured(start=3600)])}
    assert ends == {("2026-11-24 11:00:00", "2026-11-24 11:59:29")}


def test_a_change_is_drawn_on_the_chart_of_its_check_only():
    cpu, load = figures(
        [Measured("cpu", seconds=50, busy_ratio=0.5), Measured("load", seconds=50, load_1m=1.0)], [transition()]
    )
    assert len(cpu["layout"]["shapes"]) == 1 and not load["layout"]["shapes"]


def test_a_legend_makes_its_chart_higher_and_not_its_lines_flatter():
    one, six = figure(Measured(a=1.0)), figure(Measured(**{f"metric_{i}_ratio": 0.1 for i in range(6)}))
    rows = legend_rows([f"metric_{i}_ratio" for i in range(6)])
    assert rows == 3
    grown = six["layout"]["height"] - one["layout"]["height"]
    assert grown == six["layout"]["margin"]["b"] - one["layout"]["margin"]["b"] == rows * 20


def test_processes_are_columns_and_why_there_are_none_is_said():
    view = NodePage()
    one = Process(
        pid=4711,
        name="nginx",
        user="www",
        cpu_ratio=0.5,
        memory_ratio=0.01,
        memory_bytes=10,
        started=NOW,
        command="nginx -g",
    )
    view.show_processes([one])
    assert view.processes.cols["pid"] == [4711] and view.processes.cols["command"] == ["nginx -g"]
    view.show_processes([], "web9 has no agent")
    assert view.processes.cols["pid"] == [] and view.processes.empty == "web9 has no agent"


def test_its_kernel_draws_charts_without_pandas_and_plotly():
    table = Measured(busy_ratio=0.5, user_ratio=None).frame.arrow
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    program = (
        "import sys, types, pyarrow as pa\n"
        "import ckkit, ckkit.kit.kit, ckkit.wire.http_client, ckkit.views.page, ckkit.views.nodepage as nodepage\n"
        "from ckkit.model import Check\n"
        "frame = types.SimpleNamespace(arrow=pa.ipc.open_stream(sys.stdin.buffer).read_all())\n"
        "check = Check(check_id=1, node='web0', type='cpu')\n"
        "one = types.SimpleNamespace(check=check, unit='ratio', metrics=('busy_ratio', 'user_ratio'), frame=frame)\n"
        "view = nodepage.NodePage()\n"
        "view.show_history([one, one])\n"
        "assert len(view.charts.figures) == 2 and view.charts.figures[0]['data']\n"
        "print([name for name in ('pandas', 'polars', 'plotly', 'duckdb', 'voila') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=sink.getvalue().to_pybytes(), capture_output=True, check=True
    )
    assert done.stdout.strip() == b"[]"
