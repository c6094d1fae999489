"""The evaluator with a real store, real files and a clock of its own: slots, files that change, people who are told."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from ckkit.alerts.notifiers.memory import MemoryNotifier
from ckkit.config import Workspace
from ckkit.errors import DeliveryFailed, Invalid, NotFound, StoreFull
from ckkit.hub.evaluator import Evaluator, late_slot, slot_of
from ckkit.hub.notices import Notices
from ckkit.model import Check, Level, Metric, Node, Result, Silence, State, Status
from ckkit.store import Store

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVERY = timedelta(seconds=10)
TOML = """
[this_machine]
name = "here"
[addresses.oncall]
kind = "memory"
url = "memory://oncall"
[addresses.boss]
kind = "memory"
url = "memory://boss"
[[routes]]
monitor = "disk_*"
to = ["oncall"]
"""
MONITORS = """
[disk_full]
nodes = "tag:web"
check = "disk"
warn = "used_ratio > 0.8"
critical = "used_ratio > 0.9"
message = "make room"
"""


class World:
    """A workspace, a store, a clock, an evaluator; `put` gives results, `tick` goes on by a slot."""

    def __init__(self, path):
        self.path, self.now, self.sequence = path, START, 0
        (path / "monitors").mkdir()
        (path / "ckkit.toml").write_text(TOML)
        self.write(MONITORS)
        self.memory = MemoryNotifier()
        self.open()
        self.inventory([Node(name="web0", tags=("web",)), Node(name="db0", tags=("db",))])
        self.evaluator.apply(self.evaluator.workspace.load())

    def open(self):
        self.store = Store.open(self.path / "s.duckdb", clock=lambda: self.now)
        self.notices = Notices(lambda: self.now)
        self.evaluator = Evaluator(
            workspace=Workspace(self.path),
            store=self.store,
            notices=self.notices,
            clock=lambda: self.now,
            notifiers={"memory": self.memory},
            declared=[Metric(type="disk", name="used_ratio"), Metric(type="http", name="duration_seconds")],
        )

    def close(self):
        self.evaluator.stop()
        self.store.close()

    def restart(self):
        self.close()
        self.open()
        self.evaluator.apply(self.evaluator.workspace.load())

    def write(self, text, name="a.toml"):
        (self.path / "monitors" / name).write_text(text)

    def inventory(self, nodes, checks=None):
        wanted = checks if checks is not None else [Check(node=n.name, type="disk", instance="/") for n in nodes]
        changes = self.store.inventory.sync(nodes, wanted)
        if hasattr(self, "evaluator"):
            self.evaluator.rulebook.touch()
        return changes

    def put(self, value, node="web0", state=State.OK, status=""):
        self.sequence += 1
        check = next(check for check in self.store.inventory.checks() if check.node == node)
        values = {} if state is State.ERR else {"used_ratio": value}
        result = Result(
            check_id=check.check_id, ts=self.now, state=state, took_seconds=0.1, status=status, values=values
        )
        self.store.results([result], source="test", boot="1", sequence=self.sequence)

    def tick(self, value=None, by="notebook", slots=1, **how):
        self.now += slots * EVERY
        if value is not None:
            self.put(value, **how)
        evaluation = self.evaluator.evaluate(by=by)
        self.settle()
        return evaluation

    def settle(self):
        deadline = time.monotonic() + 10
        while self.evaluator.teller.delivery.in_flight():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def told(self):
        return [(name, message.kind, str(message.level)) for name, message in self.memory.sent]

    def notice(self, key):
        return next((n.text for n in self.notices.list() if n.key == key), None)

    def log(self):
        rows = self.evaluator.news.notifications(START - timedelta(days=1))
        return [(row["address"], row["kind"], row["outcome"], row["reason"]) for row in reversed(rows)]


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.close()


def reasons(evaluation):
    return [(d.kind, d.address, d.reason) for d in evaluation.decisions]


# People are told


def test_a_problem_is_told_once_and_its_end_once(world):
    assert reasons(world.tick(0.5)) == []
    assert reasons(world.tick(0.95)) == [("problem", "oncall", "first")]
    assert reasons(world.tick(0.96)) == []
    assert reasons(world.tick(0.5)) == [("recovery", "oncall", "resolved")]
    assert reasons(world.tick(0.5)) == []
    assert world.told() == [("oncall", "problem", "critical"), ("oncall", "recovery", "ok")]
    assert world.log() == [
        ("oncall", "problem", "delivered", "first"),
        ("oncall", "recovery", "delivered", "resolved"),
    ]


def test_the_evidence_of_a_tick(world):
    world.tick(0.5)
    evaluation = world.tick(0.95)
    assert (evaluation.slot, evaluation.by, evaluation.monitors, evaluation.instances) == (world.now, "notebook", 1, 1)
    (alert,) = evaluation.alerts
    assert (alert.node, alert.check, alert.status, alert.level) == ("web0", "disk:/", Status.FIRING, Level.CRITICAL)
    assert (alert.value, alert.rule, alert.result_at) == (0.95, "used_ratio > 0.9", world.now)
    assert (alert.since, alert.fired_at, alert.reason) == (world.now, world.now, "condition")
    (moved,) = evaluation.transitions
    assert (moved.before, moved.after, moved.reason, moved.value) == (Status.OK, Status.FIRING, "condition", 0.95)
    assert list(evaluation.steps) == ["monitors", "conditions", "levels", "step", "show", "commit", "notify"]


def test_a_failed_check_is_told_with_its_words(world):
    world.tick(0.5)
    evaluation = world.tick(0, state=State.ERR, status="no such file or directory")
    (alert,) = evaluation.alerts
    assert (alert.reason, alert.text, alert.value) == ("error", "no such file or directory", None)
    assert "no such file or directory" in world.memory.sent[0][1].text


def test_what_became_worse_is_told_and_what_became_better_is_not(world):
    assert reasons(world.tick(0.85)) == [("problem", "oncall", "first")]
    assert reasons(world.tick(0.95)) == [("problem", "oncall", "changed")]
    assert reasons(world.tick(0.85)) == [("none", None, "nothing new")]
    assert reasons(world.tick(0.95)) == [("none", None, "nothing new")]
    world.tick(0.1)
    assert world.told() == [
        ("oncall", "problem", "warn"),
        ("oncall", "problem", "critical"),
        ("oncall", "recovery", "ok"),
    ]


def test_a_pending_alert_says_so(world):
    world.write(MONITORS + 'for = "10s"\n')
    assert reasons(world.tick(0.95)) == [("none", None, "not firing yet")]
    assert reasons(world.tick(0.95)) == [("problem", "oncall", "first")]


def test_a_monitor_names_addresses_of_its_own(world):
    world.write(MONITORS + 'notify = ["boss"]\n')
    world.tick(0.95)
    assert sorted(world.told()) == [("boss", "problem", "critical"), ("oncall", "problem", "critical")]


def test_without_an_address_it_is_written_down_once(world):
    world.write(MONITORS.replace("disk_full", "full"))
    assert reasons(world.tick(0.95)) == [("problem", None, "no address")]
    assert reasons(world.tick(0.95)) == []
    assert world.log() == [(None, "problem", "dropped", "no address")]
    # An address that comes later is told of what still fires.
    (world.path / "ckkit.toml").write_text(TOML + '[[routes]]\nto = ["boss"]\n')
    world.evaluator.apply(world.evaluator.workspace.load())
    assert reasons(world.tick(0.95)) == [("problem", "boss", "first")]


def test_a_silence_drops_with_a_reason_and_what_still_fires_is_told_after_it(world):
    ends = START + timedelta(seconds=30)
    silence = world.evaluator.news.silence(Silence(nodes="tag:web", starts=START, ends=ends, who="me", comment="x"))
    assert silence.silence_id == 1
    assert reasons(world.tick(0.95)) == [("problem", "oncall", "silenced")]
    assert reasons(world.tick(0.95)) == []
    assert world.told() == []
    assert reasons(world.tick(0.95)) == [("problem", "oncall", "first")]
    assert world.log() == [("oncall", "problem", "dropped", "silenced"), ("oncall", "problem", "delivered", "first")]


def test_the_end_of_what_was_announced_passes_a_later_silence(world):
    world.tick(0.95)
    world.evaluator.news.silence(Silence(starts=world.now, ends=world.now + EVERY * 10, who="me", comment="x"))
    assert reasons(world.tick(0.1)) == [("recovery", "oncall", "resolved")]


def test_an_outage_under_a_silence_ends_as_quietly(world):
    world.evaluator.news.silence(Silence(starts=START, ends=START + EVERY * 10, who="me", comment="x"))
    world.tick(0.95)
    assert reasons(world.tick(0.1)) == [("none", None, "nothing new")]
    assert world.told() == []


def test_an_expired_silence_is_over_at_once(world):
    made = world.evaluator.news.silence(Silence(starts=START, ends=START + EVERY * 10, who="me", comment="x"))
    world.tick(0.95)
    world.evaluator.news.expire(made.silence_id)
    assert reasons(world.tick(0.95)) == [("problem", "oncall", "first")]
    assert world.evaluator.news.silences() == []
    assert [s.silence_id for s in world.evaluator.news.silences(every=True)] == [1]
    with pytest.raises(NotFound, match="no silence 7"):
        world.evaluator.news.expire(7)


def test_a_receiver_that_fails_is_on_the_overview_until_it_takes_something(world):
    failures = [DeliveryFailed("address oncall: it answered 500")]

    def answer(message, address):
        if failures:
            raise failures.pop()
        return "taken"

    world.memory.answer = answer
    world.evaluator.teller.delivery._wait = lambda attempt, error: timedelta(milliseconds=200)
    world.now += EVERY
    world.put(0.95)
    world.evaluator.evaluate()
    deadline = time.monotonic() + 5
    while world.notice("delivery:oncall") is None:
        assert time.monotonic() < deadline
    assert reasons(world.evaluator.evaluate()) == [("problem", "oncall", "first")]  # the slot again: nothing new sent
    world.settle()
    assert world.notice("delivery:oncall") is None
    assert [row[2] for row in world.log()] == ["failed", "delivered"]


def test_what_is_over_before_it_could_be_told_is_withdrawn(world):
    def answer(message, address):
        raise DeliveryFailed("500")

    world.memory.answer = answer
    world.evaluator.teller.delivery._wait = lambda attempt, error: timedelta(hours=1)
    for value in (0.95, 0.1):
        world.now += EVERY
        world.put(value)
        evaluation = world.evaluator.evaluate()
    world.settle()
    assert reasons(evaluation) == [("none", None, "nothing new")]
    assert [row[2:] for row in world.log()] == [("failed", "first"), ("withdrawn", "over before it was told")]


def test_a_refusal_is_not_repeated_and_its_end_is_not_told(world):
    def answer(message, address):
        raise DeliveryFailed("404", final=True)

    world.memory.answer = answer
    world.tick(0.95)
    assert reasons(world.tick(0.95)) == []
    assert reasons(world.tick(0.1)) == [("none", None, "nothing new")]
    assert [row[2] for row in world.log()] == ["refused"]
    assert world.store.query("select count(*) as n from told")["n"][0].as_py() == 0


def test_a_restart_tells_what_was_not_told_and_repeats_nothing(world):
    world.tick(0.95)
    world.restart()
    assert reasons(world.tick(0.95)) == []
    held = []

    def hang(message, address):
        held.append(message)
        raise DeliveryFailed("500")

    world.memory.answer = hang
    world.now += EVERY
    world.put(0.1)
    world.evaluator.evaluate()
    world.restart()
    world.memory.answer = lambda message, address: "taken"
    assert reasons(world.tick(0.1)) == [("recovery", "oncall", "resolved")]
    assert world.told()[-1] == ("oncall", "recovery", "ok")


def test_a_crash_between_the_send_and_its_record_repeats_and_never_swallows(world, monkeypatch):
    with monkeypatch.context() as accident:

        def dies(note, at):
            raise StoreFull("no room")

        accident.setattr(world.evaluator.news, "attempted", dies)
        world.now += EVERY
        world.put(0.95)
        world.evaluator.evaluate()
        deadline = time.monotonic() + 5
        while not world.told():
            assert time.monotonic() < deadline
        world.restart()
    assert world.log() == []
    assert reasons(world.tick(0.95)) == [("problem", "oncall", "first")]
    assert world.told() == [("oncall", "problem", "critical")] * 2


def test_a_slot_that_the_store_cannot_take_is_on_the_overview_and_judged_when_it_can(world, monkeypatch):
    with monkeypatch.context() as accident:

        def full(*how):
            raise StoreFull("the disk is full")

        accident.setattr(world.evaluator.alerts, "tick", full)
        world.evaluator.apply(world.evaluator.workspace.load())
        world.evaluator._begin = world.now
        world.now += EVERY + timedelta(seconds=5)
        world.evaluator._judge_if_late()
        assert "the disk is full" in world.notice("evaluation")
    world.put(0.95)
    world.evaluator._judge_if_late()
    assert world.notice("evaluation") is None
    assert world.evaluator.last_slot().by == "hub"


def test_an_address_without_its_url_is_told_and_the_others_go_on(world):
    (world.path / "ckkit.toml").write_text(
        TOML.replace('url = "memory://oncall"', 'url_env = "NOT_SET_FOR_SURE"') + '[[routes]]\nto = ["boss"]\n'
    )
    world.evaluator.apply(world.evaluator.workspace.load())
    assert "NOT_SET_FOR_SURE" in world.notice("addresses")
    assert reasons(world.tick(0.95)) == [
        ("problem", "oncall", "address cannot be used"),
        ("problem", "boss", "first"),
    ]
    assert world.told() == [("boss", "problem", "critical")]
    assert reasons(world.tick(0.95)) == []


def test_an_address_is_tried(world):
    assert world.evaluator.teller.test("boss") == "kept"
    assert world.told() == [("boss", "test", "ok")]
    assert world.log() == [("boss", "test", "delivered", "test")]
    with pytest.raises(NotFound, match="did you mean 'boss'"):
        world.evaluator.teller.test("bos")


# Slots


def test_a_slot_counts_once_whoever_asks(world):
    world.tick(0.95)
    again = world.evaluator.evaluate(world.now, "hub")
    assert (again.repeated, again.by, again.slot) == (True, "notebook", world.now)
    assert len(world.told()) == 1
    slots = world.store.query("select evaluated_by, missed from slots where grp = 'all'").to_pylist()
    assert slots == [{"evaluated_by": "notebook", "missed": 0}]


def test_a_late_call_judges_the_newest_slot_and_counts_the_missed(world):
    world.tick(0.5)
    asked = world.now + EVERY
    world.now += 4 * EVERY + timedelta(seconds=3)
    evaluation = world.evaluator.evaluate(asked, "notebook")
    assert evaluation.slot == slot_of(world.now, EVERY)
    assert world.evaluator.last_slot().missed == 3


def test_a_slot_that_has_not_come_is_refused(world):
    with pytest.raises(Invalid, match="has not come yet"):
        world.evaluator.evaluate(world.now + EVERY)


def test_slots_lie_on_the_grid(world):
    world.now += timedelta(seconds=13)
    assert world.evaluator.evaluate().slot == START + EVERY
    assert slot_of(START + timedelta(seconds=9.999), EVERY) == START
    assert late_slot(START + timedelta(seconds=4.9), EVERY, timedelta(seconds=5)) == START - EVERY
    assert late_slot(START + timedelta(seconds=5), EVERY, timedelta(seconds=5)) == START


def test_the_hub_says_that_it_had_to_and_a_notebook_clears_it(world):
    world.tick(0.5, by="hub")
    assert "the hub did" in world.notice("evaluator late")
    world.tick(0.5, by="notebook")
    assert world.notice("evaluator late") is None


def test_after_a_time_away_nothing_is_taken_for_missing_at_once(world):
    for _ in range(8):
        world.tick(0.5)
    evaluation = world.tick(slots=60)
    assert evaluation.alerts == ()
    found = [bool(world.tick().alerts) for _ in range(7)]
    assert found == [False] * 5 + [True, True]  # a whole lookback later it is
    assert world.told() == [("oncall", "problem", "nodata")]


def test_a_clock_that_is_set_back_goes_on_judging(world):
    for _ in range(3):
        world.tick(0.5)
    world.now -= timedelta(hours=1)
    evaluation = world.tick(0.95)
    assert not evaluation.repeated
    assert reasons(evaluation) == [("problem", "oncall", "first")]


def test_two_results_of_one_check_at_one_time_count_as_one(world):
    world.now += EVERY
    world.put(0.95)
    world.put(0.95)
    evaluation = world.evaluator.evaluate()
    assert len(evaluation.alerts) == len(evaluation.transitions) == 1


def test_an_event_tells_of_transitions_in_the_same_commit(world):
    world.tick(0.95)
    (event,) = world.store.events(0, ["transitions"])
    assert event.payload["nodes"] == ["web0"]
    assert (event.payload["count"], event.payload["firing"], event.payload["by"]) == (1, 1, "notebook")


# Files and inventory


def test_a_mistake_leaves_the_old_version_in_force_also_over_a_restart(world):
    world.tick(0.5)
    world.write(MONITORS.replace("> 0.9", "> nine") + "[other]\ncheck = 'disk'\nwarn = 'used_ratio > 0.99'\n")
    assert reasons(world.tick(0.95)) == [("problem", "oncall", "first")]
    (problem,) = world.evaluator.problems
    assert (problem.file, problem.line, problem.monitor) == ("a.toml", 6, "disk_full")
    assert "a.toml:6" in world.notice("monitors")
    world.restart()
    world.tick(0.95)
    assert [(m.name, m.version) for m in world.evaluator.rulebook.monitors()] == [("disk_full", 1), ("other", 1)]
    world.write(MONITORS.replace("0.9", "0.99"))
    world.tick(0.95)
    assert world.notice("monitors") is None
    assert [(m.name, m.version) for m in world.evaluator.rulebook.monitors()] == [("disk_full", 2)]


def test_a_condition_that_the_database_cannot_read_is_a_problem_of_its_line(world):
    world.write(MONITORS.replace("used_ratio > 0.9", "(used_ratio > 0.9 and status = 'x'"))
    world.tick(0.95)
    (problem,) = world.evaluator.problems
    assert problem.line == 6
    assert "the database cannot read" in problem.message


def test_a_condition_that_fails_leaves_its_alerts_and_is_told(world):
    world.write(MONITORS.replace("used_ratio > 0.9", "pow(10, used_ratio * 1e9) > 1 or regexp_matches(status, status)"))
    world.tick(0.5, status="fine")
    evaluation = world.tick(0.5, status="(")
    assert evaluation.transitions == ()
    assert "disk_full" in world.notice("conditions")
    errors = world.store.query("select errors from slots order by slot desc limit 1")["errors"][0].as_py()
    assert "disk_full" in errors
    assert [bool(a.alerts) for a in (world.tick(0.5, status="fine"),)]
    assert world.notice("conditions") is None


def test_a_metric_that_is_seen_later_is_judged_from_then_on(world):
    world.inventory([Node(name="web0", tags=("web",))], [Check(node="web0", type="http")])
    world.write("[slow]\ncheck = 'http'\nwarn = 'duration_seconds > 1'\nnotify = ['oncall']\n")
    world.tick()
    check = world.store.inventory.checks()[0]
    world.now += EVERY
    result = Result(
        check_id=check.check_id, ts=world.now, state=State.OK, took_seconds=3, values={"duration_seconds": 3.0}
    )
    world.store.results([result], source="t", boot="2", sequence=1)
    assert reasons(world.evaluator.evaluate()) == [("problem", "oncall", "first")]


def test_a_node_that_leaves_resolves_its_alerts_with_the_reason(world):
    world.tick(0.95)
    world.inventory([Node(name="db0")])
    evaluation = world.tick()
    assert [(t.node, t.after, t.reason) for t in evaluation.transitions] == [("web0", Status.OK, "unwatched")]
    assert reasons(evaluation) == [("recovery", "oncall", "resolved")]
    assert "no monitor watches this check" in world.memory.sent[-1][1].text
    world.tick()
    assert world.store.query("select count(*) as n from alerts")["n"][0].as_py() == 0


def test_a_monitor_that_is_removed_resolves_its_alerts_and_comes_back_as_the_same(world):
    world.tick(0.95)
    world.write("")
    assert [t.reason for t in world.tick(0.95).transitions] == ["unwatched"]
    world.write(MONITORS)
    assert reasons(world.tick(0.95)) == [("problem", "oncall", "first")]
    versions = world.store.query("select monitor_id, version, valid_to is null as now from monitors order by version")
    assert versions.to_pylist() == [
        {"monitor_id": 1, "version": 1, "now": False},
        {"monitor_id": 1, "version": 2, "now": True},
    ]


def test_a_tag_that_moves_takes_the_monitor_with_it(world):
    world.tick(0.5)
    world.inventory([Node(name="web0"), Node(name="db0", tags=("web",))])
    world.tick(0.95, node="db0")
    assert [message.payload["node"]["name"] for _, message in world.memory.sent] == ["db0"]


def test_a_new_check_is_given_time(world):
    world.write(MONITORS + 'new_instance_delay = "25s"\n')
    found = [bool(world.tick(0.95).alerts) for _ in range(4)]
    assert found == [False, False, True, True]


def test_a_change_of_the_inventory_is_seen_through_the_events_of_the_store(world):
    world.store.on_commit(world.evaluator._committed)
    world.tick(0.5)
    world.store.inventory.sync([Node(name="db0", tags=("web",))], [Check(node="db0", type="disk", instance="/")])
    assert world.tick(0.95, node="db0").alerts[0].node == "db0"


# What notebooks report


REPORTED = MONITORS + '[disk_forecast]\ncheck = "disk"\nreported = true\nwindow = "1m"\nfor = "10s"\n'


def forecast(level="critical", node="web0", check="disk:/", **more):
    return {"node": node, "check": check, "level": level, **more}


def test_reported_levels_go_through_the_same_states(world):
    world.write(REPORTED)
    world.tick(0.5)
    first = world.evaluator.report("disk_forecast", world.now, [forecast(value=3.5, text="full in 3.5 h")], "nb")
    assert [(t.after, t.reason) for t in first.transitions] == [(Status.PENDING, "report")]
    world.tick(0.5)
    second = world.evaluator.report("disk_forecast", world.now, [forecast(value=3.5, text="full in 3.5 h")], "nb")
    world.settle()
    assert reasons(second) == [("problem", "oncall", "first")]
    assert "full in 3.5 h" in world.memory.sent[-1][1].text
    (alert,) = second.alerts
    assert (alert.value, alert.text, alert.rule) == (3.5, "full in 3.5 h", "reported by a notebook")
    world.tick(0.5)
    world.evaluator.report("disk_forecast", world.now, [forecast("ok")], "nb")
    world.settle()
    assert world.told()[-1] == ("oncall", "recovery", "ok")


def test_a_report_counts_once_a_slot_and_for_its_window(world):
    world.write(REPORTED)
    for _ in range(8):
        world.tick(0.5)
    world.evaluator.report("disk_forecast", world.now, [forecast("ok")], "nb")
    assert world.evaluator.report("disk_forecast", world.now, [forecast()], "nb").repeated
    statuses = []
    for _ in range(7):
        alerts = world.tick(0.5).alerts
        statuses.append(str(alerts[0].status) if alerts else "ok")
    assert statuses == ["ok"] * 5 + ["pending", "firing"]  # a minute without a report: no data


def test_what_cannot_be_reported(world):
    world.write(REPORTED)
    world.tick(0.5)
    with pytest.raises(NotFound, match="no monitor 'forecast'"):
        world.evaluator.report("forecast", None, [], "nb")
    with pytest.raises(Invalid, match="judged by its conditions"):
        world.evaluator.report("disk_full", None, [forecast()], "nb")
    with pytest.raises(NotFound, match="did you mean 'web0/disk:/'"):
        world.evaluator.report("disk_forecast", None, [forecast(node="wbe0")], "nb")


def test_listed_alerts_show_what_the_last_tick_measured(world):
    world.tick(0.95)
    world.tick(0.97)
    (alert,) = world.evaluator.listed("firing")
    assert (alert.value, alert.told, alert.told_level) == (0.97, Status.FIRING, Level.CRITICAL)
    assert world.evaluator.listed("ok") == []
    assert [a.status for a in world.evaluator.listed()] == [Status.FIRING]
