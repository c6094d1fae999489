"""The page in the kernel: who looks, when it watches, what it says. Messages come in by ipywidgets' door."""

import asyncio

import pytest

from ckkit.errors import NotFound
from ckkit.views import page as pages
from ckkit.views.pace import Paced
from ckkit.views.page import AWAY, Page


class Watching:
    """What a notebook began."""

    def __init__(self):
        self.connected, self.stopped = True, 0

    def stop(self):
        self.stopped += 1


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Opened:
    """The function of a notebook: what it was called with; what it raises, if anything."""

    def __init__(self):
        self.states, self.begun, self.error = [], [], None

    def __call__(self, state):
        self.states.append(state)
        if self.error:
            raise self.error
        self.begun.append(Watching())
        return self.begun[-1]


@pytest.fixture
def opened():
    return Opened()


def hears(page, kind, search=""):
    page._handle_custom_msg({"kind": kind, "search": search}, [])


def test_nothing_is_opened_before_a_browser_says_hello(opened):
    page = Page(opened)
    assert opened.states == [] and not page.live


def test_hello_opens_with_what_stands_in_the_url_and_not_with_the_token(opened):
    page = Page(opened)
    hears(page, "hello", "?node=web%200&token=s3cret&q=tag:a")
    assert opened.states == [{"node": "web 0", "q": "tag:a"}]
    assert page.live and page.beats == 1
    assert "s3cret" not in str(page.get_state())


def test_a_beat_is_answered_and_opens_nothing_twice(opened):
    page = Page(opened)
    hears(page, "hello")
    hears(page, "beat")
    assert len(opened.states) == 1 and page.beats == 2


def test_a_second_hello_ends_what_the_first_began(opened):
    page = Page(opened)
    hears(page, "hello", "?node=a")
    hears(page, "hello", "?node=b")
    assert [one.stopped for one in opened.begun] == [1, 0]
    assert opened.states[-1] == {"node": "b"}


def test_what_is_said_changes_the_url_and_keeps_the_rest(opened):
    page = Page(opened)
    hears(page, "hello", "?node=a")
    page.say(q="tag:web")
    assert page.state == {"node": "a", "q": "tag:web"}


def test_an_error_is_shown_and_gone_when_it_goes_on(opened):
    opened.error = NotFound("no node hrre: did you mean here?")
    page = Page(opened)
    hears(page, "hello")
    assert page.problem == "no node hrre: did you mean here?" and not page.live
    opened.error = None
    hears(page, "beat")
    assert page.problem == "" and page.live


def test_a_mistake_of_ours_is_said_too(opened, caplog):
    opened.error = KeyError("columns")
    page = Page(opened)
    hears(page, "hello")
    assert "KeyError: 'columns'" in page.problem
    assert "could not be opened" in caplog.text


def test_a_hub_that_restarts_is_not_worth_a_word_and_one_that_stays_away_is(opened):
    page = Page(opened)
    hears(page, "hello")
    opened.begun[0].connected = False
    page.look()
    opened.begun[0].connected = True
    page.look()
    assert page.live and page.problem == ""
    opened.begun[0].connected = False
    page.look()
    page.look()
    assert (page.live, page.problem, opened.begun[0].stopped) == (False, AWAY, 1)
    page.look()
    assert (page.live, page.problem, len(opened.begun)) == (True, "", 2)


def test_it_stops_watching_when_nobody_looks_and_goes_on_when_somebody_does(opened, monkeypatch):
    monkeypatch.setattr(pages, "LOOK_S", 0.005)
    clock = Clock()

    async def visit():
        page = Page(opened, grace_s=17, clock=clock)
        hears(page, "hello")
        clock.now = 16.0
        await asyncio.sleep(0.05)
        assert page.live
        clock.now = 17.5
        await asyncio.sleep(0.05)
        assert not page.live and opened.begun[0].stopped == 1
        clock.now = 4000.0
        hears(page, "beat")
        assert page.live and len(opened.states) == 2
        clock.now = 4018.0
        await asyncio.sleep(0.05)
        assert not page.live and opened.begun[1].stopped == 1

    asyncio.run(visit())


def test_a_page_is_over_what_it_shows(opened):
    page, other = Page(opened), Page(opened)
    assert page.over(other).children == (page, other)


def test_what_is_paced_is_done_at_once_and_then_once_more_for_all_that_came():
    done = []

    async def ask():
        paced = Paced(lambda: done.append(1), every_s=0.05)
        for _ in range(5):
            paced()
        assert len(done) == 1
        await asyncio.sleep(0.12)
        assert len(done) == 2
        paced()
        paced.stop()
        await asyncio.sleep(0.08)
        assert len(done) == 3

    asyncio.run(ask())


def test_what_is_paced_and_fails_later_is_logged(caplog):
    def fail():
        if len(calls) > 1:
            raise NotFound("gone")

    calls = []

    async def ask():
        paced = Paced(lambda: (calls.append(1), fail()), every_s=0.02)
        paced()
        paced()
        await asyncio.sleep(0.06)

    asyncio.run(ask())
    assert "gone" in caplog.text
