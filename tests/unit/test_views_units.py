"""Numbers and units as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.views import units


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (4.5e9, "bytes", "4.2 GiB"),
        (0, "bytes", "0 B"),
        (1023, "bytes", "1,023 B"),
        (1024, "bytes", "1 KiB"),
        (1.2 * 2**20, "bytes/s", "1.2 MiB/s"),
        (2**60, "bytes", "1,024 PiB"),  # past the last name: still right
        (0.123, "ratio", "12.3 %"),
        (1, "ratio", "100 %"),
        (0, "ratio", "0 %"),
        (0.00042, "ratio", "0.042 %"),
        (0.0031, "seconds", "3.1 ms"),
        (1e-7, "seconds", "100 ns"),
        (0, "seconds", "0 s"),
        (59, "seconds", "59 s"),
        (90, "seconds", "1.5 min"),
        (0.9999, "seconds", "1 s"),  # not `1,000 ms`
        (2 * 86400, "seconds", "2 d"),
        (-2048, "bytes", "-2 KiB"),
        (12345, "", "12,345"),
        (3.14159, "", "3.1"),
        (0.25, "", "0.25"),
        (2_500_000, "", "2.5 M"),
        (2_500_000, "packets/s", "2.5 Mpackets/s"),
        (7, "°C", "7 °C"),  # a unit that is not known is written as it is
        (None, "bytes", "–"),  # noqa: RUF001
        (math.nan, "bytes", "–"),  # noqa: RUF001
        (math.inf, "bytes", "∞"),
    ],
)
def test_a_value_is_written_in_the_unit_that_fits(value: float | None, unit: str, shown: str) -> None:
    assert units.show(value, unit) == shown


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_digits_never_have_an_exponent_and_lose_little(number: float) -> None:
    text = units.digits(number)
    assert "e" not in text.lower()
    assert float(text.replace(",", "")) == pytest.approx(number, rel=0.06, abs=1e-9)


@given(st.floats(min_value=1e-9, max_value=1e15), st.sampled_from(["bytes", "seconds", "ratio", "bytes/s", "hertz"]))
def test_a_scale_never_makes_values_smaller_than_one_of_its_unit(value: float, unit: str) -> None:
    chosen = units.scale(unit, value)
    smallest = units.scale(unit, 1e-12)
    assert value / chosen.size >= 0.999 or chosen.size <= max(smallest.size, 1)


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("cpu.busy_ratio", "ratio"),
        ("free_bytes", "bytes"),
        ("received_bytes_total", "bytes"),
        ("received_bytes_per_second", "bytes/s"),
        ("took_seconds", "seconds"),
        ("load_1m", ""),
        ("processes", ""),
    ],
)
def test_the_unit_is_in_the_name(metric: str, unit: str) -> None:
    assert units.unit_of(metric) == unit
