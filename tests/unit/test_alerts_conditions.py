"""Conditions: what people write, what it comes to, and what it must not be."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.alerts.conditions import parse
from ckkit.errors import Invalid
from ckkit.rules import Expression, Threshold

METRICS = ("used_ratio", "free_bytes", "case_total")


@pytest.mark.parametrize(
    ("text", "column", "op", "number"),
    [
        ("used_ratio > 0.9", "used_ratio", ">", 0.9),
        ("used_ratio>=0.9", "used_ratio", ">=", 0.9),
        ("  free_bytes < 5e9 ", "free_bytes", "<", 5e9),
        ("free_bytes <= -1", "free_bytes", "<=", -1.0),
        ("free_bytes == .5", "free_bytes", "=", 0.5),
        ("took_seconds > 2", "took_seconds", ">", 2.0),
    ],
)
def test_a_comparison_with_a_number_is_a_threshold(text, column, op, number):
    assert parse(text, METRICS) == Threshold(column, op, number)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("used_ratio > 0.9 and free_bytes < 5e9", ("used_ratio", "free_bytes")),
        ("not (used_ratio between 0.1 and 0.9)", ("used_ratio",)),
        ("status like '%timed out%'", ("status",)),
        ("state = 'warn'", ("state",)),
        ("free_bytes / 1e9 < 5", ("free_bytes",)),
        ("0.9 < used_ratio", ("used_ratio",)),
        ("used_ratio != 0.5", ("used_ratio",)),
        ("case when used_ratio > 0.5 then free_bytes < 1 else false end", ("used_ratio", "free_bytes")),
        ("abs(case_total) > 3", ("case_total",)),
        ("contains(status, 'it''s')", ("status",)),
    ],
)
def test_anything_else_is_an_expression(text, columns):
    found = parse(text, METRICS)
    assert isinstance(found, Expression)
    assert found.columns == columns


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("used_raito > 0.9", "there is no metric 'used_raito': did you mean 'used_ratio'?"),
        ("used_ratio > 0.9 and fre_bytes < 1", "there is no metric 'fre_bytes': did you mean 'free_bytes'?"),
        ("used_ratio", "compares nothing"),
        ("1 > 0", "names no column"),
        ("used_ratio > 0.9; drop table results", "cannot read '; drop table results'"),
        ("used_ratio > (select 1)", "there is no metric 'select'"),
        ("used_ratio > 0.9 -- comment", "there is no metric 'comment'"),
        ("used_ratio > 0.9 /* comment */ ", "there is no metric 'comment'"),
        ('"used_ratio" > 0.9', "cannot read"),
        ("read_text('/etc/passwd') = 'x' and used_ratio > 1", "there is no function 'read_text'"),
        ("used_ratio > $slot", "cannot read '$slot'"),
        ("status like 'unfinished", "cannot read"),
        ("used_ratio > 1x", "cannot read"),
        ("", "compares nothing"),
    ],
)
def test_what_cannot_be_a_condition_is_refused_with_the_reason(text, said):
    with pytest.raises(Invalid) as caught:
        parse(text, METRICS)
    assert said in caught.value.message


_NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
_OPS = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
}


@given(st.sampled_from(sorted(_OPS)), _NUMBERS, st.data())
def test_bounds_hold_exactly_what_the_operator_holds(op, number, data):
    near = [number, math.nextafter(number, math.inf), math.nextafter(number, -math.inf), math.inf, -math.inf]
    value = data.draw(st.one_of(st.sampled_from(near), _NUMBERS))
    assert Threshold("x", op, number).holds(value) is _OPS[op](value, number)


@pytest.mark.parametrize("op", sorted(_OPS))
def test_nan_meets_nothing(op):
    assert not Threshold("x", op, 0.0).holds(math.nan)
