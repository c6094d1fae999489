"""What a check may say is bounded, and what is left out is said."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.collect.bounds import STATUS_CHARACTERS, bounded, failure, one_line
from ckkit.errors import CheckFailed
from ckkit.model import Outcome, State


@given(st.text(max_size=5_000), st.integers(40, 600))
def test_one_line_is_one_line_and_short(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()


def test_a_hundred_megabytes_are_cut_and_it_is_said() -> None:
    line = one_line("x" * 100_000_000)
    assert len(line) == STATUS_CHARACTERS
    assert line.endswith("x … (100000000 characters)")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CheckFailed("connection refused"), "connection refused"),  # ours: the message alone
        (KeyError("port"), "KeyError: 'port'"),  # a bug: its class too
        (AssertionError(), "AssertionError"),  # one without a text
        (ValueError("two\nlines"), "ValueError: two lines"),
    ],
)
def test_a_failure_is_one_line(error: Exception, said: str) -> None:
    assert failure(error) == said


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "7", None, [1]])
def test_a_value_that_is_no_finite_number_is_left_out_and_named(value: Any) -> None:
    kept = bounded(Outcome(values={"good": 1, "bad": value}, status="fine"))
    assert kept.values == {"good": 1.0}
    assert kept.status.startswith("fine [left out: bad=") and "no finite number" in kept.status
    assert kept.state is State.OK


def test_more_than_256_values_are_cut_and_it_is_said() -> None:
    kept = bounded(Outcome(values={f"m{n}": float(n) for n in range(1_000)}, status="many"))
    assert len(kept.values) == 256
    assert kept.status == "many [left out: 744 values more than 256]"


@pytest.mark.parametrize("wrong", [None, "ok", 3, {"busy_ratio": 1.0}])
def test_what_is_no_outcome_is_an_error_of_the_check(wrong: Any) -> None:
    kept = bounded(wrong)
    assert kept.state is State.ERR
    assert type(wrong).__name__ in kept.status and "a bug of the check" in kept.status
