"""Who is told, and why not: a row a case. Then the routes, and when a failed attempt is repeated."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.alerts.judges import JUDGES, News, Quiet, judge, nothing_new, silenced, why
from ckkit.alerts.reasons import Reason
from ckkit.alerts.retries import LONGEST, is_final, next_wait
from ckkit.alerts.routing import Route, route
from ckkit.errors import DeliveryFailed
from ckkit.model import Alert, Level, Node, Silence, Status
from ckkit.nodequery import Facts, parse

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEB = Node(name="web0", tags=("web",))
OK, WARN, CRITICAL, NODATA = Level


def news(status=Status.FIRING, level=CRITICAL, knows=OK):
    alert = Alert(
        monitor="disk_full", node="web0", check="disk:/", check_id=1, status=status, level=level, slot=NOW, reason=""
    )
    return News(alert=alert, node=WEB, address="oncall", knows=knows)


def quiet(nodes="*", monitor="*", starts=-HOUR, ends=HOUR):
    silence = Silence(nodes=nodes, monitor=monitor, starts=NOW + starts, ends=NOW + ends, who="me", comment="disks")
    return Quiet(silence, parse(nodes))


@pytest.mark.parametrize(
    ("status", "level", "knows", "expected"),
    [
        (Status.FIRING, CRITICAL, OK, None),  # nobody has heard of it
        (Status.FIRING, CRITICAL, CRITICAL, Reason.NOTHING_NEW),
        (Status.FIRING, CRITICAL, WARN, None),  # it has become worse
        (Status.FIRING, WARN, CRITICAL, Reason.NOTHING_NEW),  # a little better wakes nobody
        (Status.FIRING, NODATA, CRITICAL, None),
        (Status.FIRING, CRITICAL, NODATA, None),  # the data is back, and bad
        (Status.FIRING, WARN, NODATA, None),
        (Status.PENDING, CRITICAL, OK, Reason.NOTHING_NEW),  # not yet
        (Status.OK, OK, CRITICAL, None),  # over
        (Status.OK, OK, OK, Reason.NOTHING_NEW),  # an outage nobody heard of ends as quietly
    ],
)
def test_nothing_new(status, level, knows, expected):
    assert nothing_new(news(status, level, knows), NOW, []) is expected


@pytest.mark.parametrize(
    ("silence", "expected"),
    [
        (quiet(), Reason.SILENCED),
        (quiet(nodes="tag:web"), Reason.SILENCED),
        (quiet(nodes="tag:db"), None),
        (quiet(monitor="disk_*"), Reason.SILENCED),
        (quiet(monitor="memory"), None),
        (quiet(starts=timedelta(0)), Reason.SILENCED),  # from its first moment
        (quiet(ends=timedelta(0)), None),  # until before its last
        (quiet(starts=timedelta(seconds=1)), None),
    ],
)
def test_silenced(silence, expected):
    assert silenced(news(), NOW, [silence]) is expected


def test_the_end_of_what_was_announced_passes_a_silence_that_came_later():
    over = news(Status.OK, OK, knows=CRITICAL)
    assert judge(over, NOW, [quiet()]) is None
    assert why(over) is Reason.RESOLVED


def test_an_outage_that_nobody_heard_of_because_of_a_silence_ends_as_quietly():
    assert judge(news(Status.OK, OK), NOW, [quiet()]) is not None


def test_a_silence_speaks_before_there_being_nothing_new():
    assert judge(news(knows=CRITICAL), NOW, [quiet()]) is Reason.SILENCED
    assert JUDGES[-1] is nothing_new


def test_why_it_is_told():
    assert why(news()) is Reason.FIRST
    assert why(news(knows=WARN)) is Reason.CHANGED


@given(st.lists(st.sampled_from([(Status.FIRING, WARN), (Status.FIRING, CRITICAL), (Status.OK, OK)]), max_size=30))
def test_problems_and_their_ends_alternate_for_an_address(history):
    knows, told = OK, []
    for status, level in history:
        item = news(status, level, knows)
        if judge(item, NOW, []) is None:
            told.append(item.kind)
            knows = level if item.kind == "problem" else OK
    assert "recovery" not in told[:1]
    assert ("recovery", "recovery") not in list(pairwise(told))
    assert (knows is not OK) == (bool(history) and history[-1][0] is Status.FIRING)


ROUTES = [
    Route("disk_*", parse("*"), ("disks",)),
    Route("*", parse("tag:web"), ("web", "oncall")),
    Route("*", parse("tag:db"), ("dba",)),
]


@pytest.mark.parametrize(
    ("monitor", "node", "notify", "expected"),
    [
        ("disk_full", WEB, (), ("disks", "web", "oncall")),
        ("memory", WEB, (), ("web", "oncall")),
        ("memory", WEB, ("oncall", "boss"), ("oncall", "boss", "web")),  # each once, the monitor's own first
        ("memory", Node(name="x"), (), ()),
        ("memory", Node(name="db0", tags=("db",)), (), ("dba",)),
    ],
)
def test_the_addresses_of_an_alert(monitor, node, notify, expected):
    assert route(monitor, node, Facts(), notify, ROUTES) == expected


def test_waits_double_from_two_seconds_to_five_minutes_and_never_end():
    failure = DeliveryFailed("500")
    waits = [next_wait(attempt, failure) for attempt in range(1, 40)]
    assert [wait.total_seconds() for wait in waits[:4]] == [2, 4, 8, 16]
    assert set(waits[10:]) == {LONGEST}


def test_a_refusal_is_not_repeated_and_a_request_to_wait_is_honoured():
    assert next_wait(1, DeliveryFailed("404", final=True)) is None
    assert next_wait(1, DeliveryFailed("429", retry_after_s=60)) == timedelta(seconds=60)
    assert next_wait(1, DeliveryFailed("429", retry_after_s=86400)) == LONGEST
    assert next_wait(8, DeliveryFailed("429", retry_after_s=1)) == timedelta(seconds=256)


@pytest.mark.parametrize(
    ("status", "final"),
    [(301, True), (400, True), (401, True), (404, True), (408, False), (410, True), (429, False), (500, False)],
)
def test_which_answers_are_final(status, final):
    assert is_final(status) is final
