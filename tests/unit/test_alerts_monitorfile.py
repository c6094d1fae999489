"""Monitor files: what they say, what they must not say, and what stays in force meanwhile."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ckkit.alerts.monitorfile import Vocabulary, in_force, read_folder
from ckkit.alerts.plans import plan, watched
from ckkit.errors import Invalid
from ckkit.model import Check, Monitor, Node
from ckkit.rules import Threshold

GOOD = """\
# disks
[disk_full]
nodes = "tag:web"
check = "disk"
instance = "/"
warn = "used_ratio > 0.8"
critical = "used_ratio > 0.9"
recovery = "used_ratio < 0.75"
aggregate = "avg"
window = "5m"
for = "1m"
keep_firing_for = "2m"
new_instance_delay = "1m"
missing = "keep"
on_error = "warn"
notify = ["oncall"]
message = "make room"

[endpoint]
check = "http"
"""
WORDS = Vocabulary(
    metrics={"disk": ["used_ratio", "free_bytes"], "http": ["total_seconds"]},
    tags=["web", "web1", "staging"],
    addresses=["oncall", "chat"],
)


@pytest.fixture
def folder(tmp_path):
    def written(text=GOOD, name="a.toml"):
        (tmp_path / name).write_text(text)
        return tmp_path

    return written


def test_a_file_is_read_into_monitors(folder):
    reading = read_folder(folder(), WORDS)
    assert reading.problems == []
    assert reading.monitors["disk_full"] == Monitor(
        name="disk_full",
        nodes="tag:web",
        check="disk",
        instance="/",
        warn="used_ratio > 0.8",
        critical="used_ratio > 0.9",
        recovery="used_ratio < 0.75",
        aggregate="avg",
        window=timedelta(minutes=5),
        hold=timedelta(minutes=1),
        keep_firing_for=timedelta(minutes=2),
        new_instance_delay=timedelta(minutes=1),
        missing="keep",
        on_error="warn",
        notify=("oncall",),
        message="make room",
        file="a.toml",
    )
    assert reading.monitors["endpoint"] == Monitor(name="endpoint", nodes="*", check="http", file="a.toml")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("critical =", "critcal =", 7, "there is no key 'critcal': did you mean 'critical'?"),
        ("for =", "hold =", 11, "there is no key 'hold'"),
        ("used_ratio > 0.9", "used_raito > 0.9", 7, "there is no metric 'used_raito': did you mean 'used_ratio'?"),
        ("tag:web", "tag:wbe", 3, "no node has the tag 'wbe': did you mean 'web'?"),
        ("tag:web", "tag:web and tag:stagging", 3, "no node has the tag 'stagging': did you mean 'staging'?"),
        ("tag:web", "tga:web", 3, "did you mean tag?"),
        ('"disk"', '"dsik"', 4, "there is no check type 'dsik': did you mean 'disk'?"),
        ('"avg"', '"average"', 9, "`aggregate` cannot be 'average': did you mean 'avg'?"),
        ('"keep"', '"no_data"', 14, "`missing` cannot be 'no_data': did you mean 'nodata'?"),
        ('"warn"', '"warning"', 15, "`on_error` cannot be 'warning': did you mean 'warn'?"),
        ('"1m"', '"1 minute"', 11, "`for`: cannot read '1 minute' as a duration"),
        ('["oncall"]', '["onclal"]', 16, "ckkit.toml has no address 'onclal': did you mean 'oncall'?"),
        ('["oncall"]', '"oncall"', 16, "`notify`: Expected `array`"),
        ('window = "5m"\n', "", 9, "`window` and `aggregate`"),
        ('aggregate = "avg"\n', "", 9, "`window` and `aggregate`"),
        ("> 0.8", "> 0.8 and", 6, None),
        ('check = "disk"\n', "", 2, "missing required field `check`"),
        ('window = "5m"', 'reported = true\nwindow = "5m"', 6, "a reported monitor has no `warn`"),
    ],
)
def test_a_mistake_names_its_line_and_the_right_word_and_leaves_the_others(folder, old, new, line, said):
    assert old in GOOD
    reading = read_folder(folder(GOOD.replace(old, new, 1)), replace(WORDS, verify=_ends_properly))
    (problem,) = reading.problems
    assert (problem.file, problem.line, problem.monitor) == ("a.toml", line, "disk_full")
    assert f"a.toml:{line}: " in problem.message
    assert said is None or said in problem.message
    assert list(reading.monitors) == ["endpoint"]


def _ends_properly(made):
    if made.monitor.warn.endswith("and"):
        raise Invalid("the database cannot read it")


@pytest.mark.parametrize("tag", ["tag:web2", "tag:quite-another", 'tag:"web"', "tag:w*", "-tag:web and web0"])
def test_a_tag_that_no_node_has_yet_is_no_mistake(folder, tag):
    reading = read_folder(folder(GOOD.replace('"tag:web"', f"'{tag}'")), WORDS)
    assert reading.problems == []


def test_a_file_that_is_no_toml_is_one_problem_and_the_next_file_goes_on(folder):
    folder("[disk_full\n", "bad.toml")
    reading = read_folder(folder("[endpoint]\ncheck='http'\n", "good.toml"), WORDS)
    (problem,) = reading.problems
    assert (problem.file, problem.line, problem.monitor) == ("bad.toml", 1, "")
    assert reading.unreadable == {"bad.toml"}
    assert list(reading.monitors) == ["endpoint"]


def test_a_name_written_twice_is_told_and_the_first_holds(folder):
    folder("[m]\ncheck='http'\nwarn='total_seconds > 1'\n", "a.toml")
    reading = read_folder(folder("\n[m]\ncheck='disk'\n", "b.toml"), WORDS)
    (problem,) = reading.problems
    assert (problem.file, problem.line) == ("b.toml", 2)
    assert "written in a.toml already" in problem.message
    assert reading.monitors["m"].check == "http"


def test_a_key_outside_of_a_table_and_a_strange_name_are_told(folder):
    reading = read_folder(folder("nodes = 'x'\n['a b']\ncheck='http'\n"), WORDS)
    assert [p.message.partition(": ")[2] for p in reading.problems] == [
        "'nodes' belongs to no monitor: begin one with [its_name]",
        "'a b' is no name for a monitor: use letters, digits, _ . -",
    ]


def test_what_stumbles_stays_in_force_and_what_is_gone_is_gone(folder):
    before = read_folder(folder(), WORDS).monitors.values()
    reading = read_folder(folder(GOOD.replace("> 0.9", "> nine").replace("[endpoint]", "[other]")), WORDS)
    now = in_force(reading, before)
    assert [(m.name, m.critical) for m in now] == [("disk_full", "used_ratio > 0.9"), ("other", None)]


def test_a_file_that_cannot_be_read_takes_none_of_its_monitors_away(folder):
    before = read_folder(folder(), WORDS).monitors.values()
    now = in_force(read_folder(folder("[[["), WORDS), before)
    assert [m.name for m in now] == ["disk_full", "endpoint"]
    (folder() / "a.toml").unlink()
    assert in_force(read_folder(folder("", "b.toml"), WORDS), before) == []


@pytest.mark.parametrize(
    ("conditions", "kind", "column"),
    [
        ({"warn": "used_ratio > 0.8", "critical": "used_ratio > 0.9"}, "compare", "used_ratio"),
        ({"critical": "used_ratio > 0.9", "recovery": "free_bytes > 1"}, "statement", "used_ratio"),
        ({"critical": "status like 'x%' and free_bytes > 1"}, "statement", "free_bytes"),
        ({"critical": "status like 'x%'"}, "statement", "took_seconds"),
        ({}, "compare", "took_seconds"),
        ({"reported": True}, "report", "took_seconds"),
    ],
)
def test_what_a_monitor_is_compiled_to(conditions, kind, column):
    made = plan(Monitor(name="m", nodes="*", check="disk", **conditions), WORDS.metrics["disk"])
    assert (made.kind, made.column) == (kind, column)


def test_an_absent_condition_has_no_bounds():
    made = plan(Monitor(name="m", nodes="*", check="disk", warn="used_ratio > 0.5"), ["used_ratio"])
    assert made.bounds(made.critical) == (None, None)
    assert made.bounds(made.warn) == Threshold("used_ratio", ">", 0.5).bounds


@pytest.mark.parametrize(
    ("nodes", "instance", "expected"),
    [
        ("*", "*", ["web0/disk:/", "web0/disk:/home", "db0/disk:/"]),
        ("tag:web", "*", ["web0/disk:/", "web0/disk:/home"]),
        ("*", "/h*", ["web0/disk:/home"]),
        ("type:http", "/", ["web0/disk:/"]),
        ("tag:none", "*", []),
    ],
)
def test_a_monitor_watches_the_checks_of_its_type_on_the_nodes_of_its_query(nodes, instance, expected):
    found = [Node(name="web0", tags=("web",)), Node(name="db0")]
    checks = {
        "web0": [Check(node="web0", type=t, instance=i) for t, i in (("disk", "/"), ("disk", "/home"), ("http", ""))],
        "db0": [Check(node="db0", type="disk", instance="/")],
    }
    monitor = Monitor(name="m", nodes=nodes, check="disk", instance=instance)
    assert [check.key for check in watched(monitor, found, checks)] == expected
