"""Which checks start now: by hand-turned time."""

from collections import Counter
from datetime import timedelta
from typing import Any

from ckkit.collect.catalogue import Catalogue
from ckkit.collect.checks.load import Load
from ckkit.collect.checks.tcp import Tcp
from ckkit.collect.timetable import Timetable, Watched, prepare
from ckkit.model import Check, Node

CATALOGUE = Catalogue({"tcp": Tcp(), "load": Load()})
NODE = Node(name="web0")
START = 1_700_000_000_000


def watched(instance: str = "", *, type: str = "tcp", every: float = 10.0, **params: Any) -> Watched:
    params = params or ({"port": 80} if type == "tcp" else {})
    check = Check(node="web0", type=type, instance=instance, every=timedelta(seconds=every), params=params)
    return prepare(check, NODE, CATALOGUE)


def run(table: Timetable, since: int, seconds: int, step: int = 100) -> Counter[str]:
    """Turn the time on in steps; how often each check started."""
    started: Counter[str] = Counter()
    for now in range(since, since + seconds * 1000 + 1, step):
        started.update(w.check.instance for w, _ in table.take(now))
    return started


def test_each_check_starts_once_an_interval_each_in_its_own_moment() -> None:
    table = Timetable()
    table.replace([watched(str(n)) for n in range(50)], START)
    starts = [(w.check.instance, slot) for now in range(START, START + 60_001, 100) for w, slot in table.take(now)]
    assert Counter(Counter(i for i, _ in starts).values()) == {6: 50}
    assert len({slot % 10_000 for _, slot in starts}) > 45
    assert table.skipped == 0


def test_a_check_of_this_machine_starts_at_once_another_at_its_slot() -> None:
    table = Timetable()
    table.replace([watched("x"), watched(type="load")], START)
    assert [(w.check.type, slot) for w, slot in table.take(START)] == [("load", START)]


def test_a_check_that_stays_keeps_its_slots_and_its_run() -> None:
    table = Timetable()
    table.replace([watched("a"), watched("b")], START)
    run(table, START, 15)
    before = table.watched["web0/tcp:a"]
    due = before.due
    gone = table.replace([watched("a", port=81), watched("c")], START + 15_000)
    assert [w.check.instance for w in gone] == ["b"] and gone[0].gone
    stays = table.watched["web0/tcp:a"]
    assert stays is before and (stays.due, stays.params.port) == (due, 81)
    assert run(table, START + 15_000, 30) == {"a": 3, "c": 3}


def test_another_interval_gives_other_slots() -> None:
    table = Timetable()
    table.replace([watched("a", every=10)], START)
    table.replace([watched("a", every=2)], START)
    assert run(table, START, 20) == {"a": 10}


def test_an_hour_forward_is_skipped_and_counted_not_made_up_for() -> None:
    table = Timetable()
    table.replace([watched(str(n)) for n in range(100)], START)
    run(table, START, 10)
    later = START + 10_000 + 3_600_000
    assert table.take(later) == []
    assert 100 * 359 <= table.skipped <= 100 * 361
    assert Counter(run(table, later, 10).values()) == {1: 100}


def test_an_hour_back_goes_on_within_an_interval() -> None:
    table = Timetable()
    table.replace([watched(str(n), every=1 + n % 10) for n in range(100)], START)
    run(table, START, 20)
    earlier = START + 20_000 - 3_600_000
    table.clock_went_back(earlier)
    assert table.clock_back == 100
    assert set(run(table, earlier, 10)) == {str(n) for n in range(100)}


def test_a_step_back_by_less_than_an_interval_repeats_no_slot() -> None:
    table = Timetable()
    table.replace([watched("a")], START)
    slots = [slot for now in range(START, START + 25_000, 100) for _, slot in table.take(now)]
    table.clock_went_back(START + 18_000)
    slots += [slot for now in range(START + 18_000, START + 48_000, 100) for _, slot in table.take(now)]
    assert slots == sorted(set(slots)) and len(slots) >= 4


def test_what_is_missing_is_told_as_the_checks_problem() -> None:
    table = [
        (prepare(Check(node="web0", type="tcpp", params={}), NODE, CATALOGUE), "no check type 'tcpp': did you mean"),
        (prepare(Check(node="web0", type="tcp", params={}), NODE, CATALOGUE), "missing required field `port`"),
        (prepare(Check(node="web0", type="tcp", params={"prot": 1}), NODE, CATALOGUE), "no key 'prot': did you mean"),
        (prepare(Check(node="web1", type="load"), None, CATALOGUE), "there is no node 'web1'"),
    ]
    for found, said in table:
        assert found.kind is None
        assert said in found.problem
