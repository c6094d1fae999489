"""The arrays behind the overview: rings of points, newest states, groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.hub.ring import Grouping, Health, Ring

NAN = float("nan")


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def shown(ring: Ring, end: int) -> list[list[float | None]]:
    return [[None if v != v else v for v in row] for row in ring.window(end).tolist()]


def test_points_lie_by_slot_and_check() -> None:
    ring = Ring([20, 10], 4)
    ring.feed(ints(10, 20, 10, 99), ints(100, 100, 102, 102), floats(1, 2, 3, 4), 110)
    assert ring.newest == 102
    assert shown(ring, 102) == [[None, 1.0, None, 3.0], [None, 2.0, None, None]]


def test_time_goes_on() -> None:
    ring = Ring([1], 3)
    ring.feed(ints(1), ints(10), floats(1), 99)
    ring.feed(ints(1), ints(12), floats(2), 99)
    assert shown(ring, 12) == [[1.0, None, 2.0]]
    assert shown(ring, 13) == [[None, 2.0, None]]
    assert shown(ring, 500) == [[None, None, None]]


def test_late_points_find_their_place_and_old_ones_are_left_out() -> None:
    ring = Ring([1], 3)
    ring.feed(ints(1, 1, 1), ints(10, 9, 7), floats(1, 2, 3), 99)
    assert shown(ring, 10) == [[None, 2.0, 1.0]]


def test_a_clock_that_jumped_does_not_empty_the_ring() -> None:
    ring = Ring([1], 3)
    ring.feed(ints(1), ints(10), floats(1), 11)
    ring.feed(ints(1), ints(9999), floats(2), 11)
    assert shown(ring, 10) == [[None, None, 1.0]]


def test_of_two_results_in_a_slot_the_later_stays() -> None:
    ring = Ring([1], 2)
    ring.feed(ints(1, 1), ints(5, 5), floats(1, 2), 9)
    assert shown(ring, 5) == [[None, 2.0]]


def test_a_ring_takes_over_what_it_knows() -> None:
    before = Ring([1, 3], 2)
    before.feed(ints(1, 3), ints(5, 5), floats(1, 3), 9)
    after = Ring([2, 3], 2)
    after.take_over(before)
    assert (after.newest, shown(after, 5)) == (5, [[None, None], [None, 3.0]])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.floats(0, 9)), max_size=40), st.integers(1, 6))
def test_a_ring_is_the_dictionary_of_its_last_points(fed: list[tuple[int, int, float]], points: int) -> None:
    ring, slow, newest = Ring([0, 1, 2], points), {}, -1
    for check, slot, value in fed:
        ring.feed(ints(check), ints(slot), floats(value), 99)
        if check == 3:
            continue
        newest = max(newest, slot)
        if slot > newest - points:
            slow[check, slot] = value
    expected = [[slow.get((check, s)) for s in range(newest - points + 1, newest + 1)] for check in range(3)]
    assert shown(ring, newest) == expected


def test_health_keeps_the_newest_result() -> None:
    health = Health([1, 2])
    health.feed(ints(1, 2, 1), ints(100, 100, 200), np.array([0, 1, 2], np.uint8))
    health.feed(ints(1), ints(150), np.array([0], np.uint8))  # late
    assert (health.seen.tolist(), health.state.tolist()) == ([200, 100], [2, 1])


@pytest.mark.parametrize(("how", "expected"), [("max", [3.0, 5.0, None, None]), ("sum", [4.0, 5.0, None, None])])
def test_checks_fold_into_nodes(how: str, expected: list[float | None]) -> None:
    grouping = Grouping([0, 1, 0, 3, 1], 4)
    found = grouping.fold(floats(1, 5, 3, NAN, NAN), how).tolist()  # type: ignore[arg-type]
    assert [None if v != v else v for v in found] == expected


def test_no_checks_fold_into_nothing() -> None:
    assert Grouping([], 2).fold(np.zeros((0, 3)), "max").shape == (2, 3)
    assert Grouping([], 0).fold(np.zeros(0), "sum").tolist() == []
