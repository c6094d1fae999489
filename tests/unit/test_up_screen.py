"""What `ckkit up` writes: the lines for each change, the addresses, and what a terminal gets besides."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ckkit.home import Home
from ckkit.up import lab, screen
from ckkit.up.processes import Identity
from ckkit.up.state import PartState, UpState

WHO, NEXT = Identity(4711, 1), Identity(4712, 2)
HUB = PartState(name="hub", title="hub", url="http://127.0.0.1:8700", port=8700)
LAB = PartState(name="lab", title="JupyterLab", url="http://127.0.0.1:8888", port=8888)
PAGES = PartState(name="dashboards", title="dashboards", url="http://127.0.0.1:8866", port=8866)
UP = UpState(
    who=WHO,
    state="starting",
    started=datetime(2026, 11, 24, tzinfo=UTC),
    version="2026.11.24",
    code="c0de",
    workspace="/w",
    parts=(HUB, LAB, PAGES),
)
READY = replace(HUB, state="ready", ready_s=0.94, who=WHO)


@pytest.fixture
def home(tmp_path):
    return Home.find({"CKKIT_HOME": str(tmp_path / "home")})


def with_hub(**now):
    return replace(UP, parts=(replace(HUB, **now), LAB, PAGES))


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (None, UP, []),
        (UP, replace(UP, parts=(READY, LAB, PAGES)), ["  hub         ready in 0.9 s"]),
        (replace(UP, parts=(READY, LAB, PAGES)), replace(UP, parts=(READY, LAB, PAGES)), []),
        (None, replace(UP, parts=(READY, LAB, PAGES)), ["  hub         ready in 0.9 s"]),  # who looks later sees it too
        (
            UP,
            with_hub(state="waiting", deaths=1, reason="was killed; starts again after 0.5 s"),
            ["  hub         was killed; starts again after 0.5 s (ckkit logs hub)"],
        ),
        (with_hub(state="waiting", deaths=1), with_hub(state="waiting", deaths=1), []),  # said once
        (  # it died and came back between two looks
            with_hub(state="ready", ready_s=1.0, who=WHO),
            with_hub(state="ready", ready_s=2.0, who=NEXT, deaths=1),
            ["  hub         ready in 2.0 s"],
        ),
    ],
)
def test_a_line_for_each_change(before, after, lines):
    assert screen.changes(before, after) == lines


def test_the_addresses_are_aligned_and_carry_their_tokens(home, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_tour.ipynb").write_text("{}")
    lines = screen.where(home, replace(UP, workspace=str(tmp_path)))[1:-1]
    overview, jupyterlab, hub = (line.split() for line in lines)
    assert overview == ["Overview", f"http://127.0.0.1:8866/voila/render/overview.ipynb?token={home.token('operator')}"]
    tour = f"http://127.0.0.1:8888/lab/tree/notebooks/00_tour.ipynb?token={lab.token(home)}"
    assert jupyterlab == ["JupyterLab", tour]
    assert hub[:2] == ["Hub", "http://127.0.0.1:8700"]
    assert len({line.index("http") for line in lines}) == 1


def test_without_a_tour_the_lab_opens_as_it_is(home):
    assert f"8888/lab?token={lab.token(home)}" in "\n".join(screen.where(home, UP))


def test_the_lab_has_a_token_of_its_own(home):
    assert lab.token(home) not in home.all_tokens().values()
    assert lab.token(home) == lab.token(home)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_the_time_of_waiting_is_written_over_and_over(home):
    terminal = Terminal()
    shown = screen.Screen(home, terminal)
    shown.show(UP, 1.0)
    shown.show(replace(UP, parts=(READY, LAB, PAGES)), 2.1)
    assert terminal.getvalue().endswith(f"{screen.CLEAR}  waiting for JupyterLab and dashboards … 2.1 s")


def test_elsewhere_there_are_whole_lines_only(home):
    pipe = io.StringIO()
    shown = screen.Screen(home, pipe)
    shown.show(UP, 1.0)
    shown.show(UP, 2.0)
    done = tuple(replace(p, state="ready", ready_s=1.0, who=WHO) for p in UP.parts)
    for _ in range(2):
        shown.show(replace(UP, state="ready", took_s=3.25, parts=done), 3.3)
    assert "waiting" not in pipe.getvalue()
    assert "\x1b" not in pipe.getvalue()
    assert pipe.getvalue().count("everything is up after 3.2 s") == 1
    assert pipe.getvalue().count("Overview") == 1


def test_a_closed_terminal_does_not_stop_what_is_supervised(home):
    pipe = io.StringIO()
    shown = screen.Screen(home, pipe)
    pipe.close()
    shown.show(UP, 1.0)
    shown.show(replace(UP, state="stopping"), 2.0)
