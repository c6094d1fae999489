"""What a read asks, there and back."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckkit.errors import Invalid
from ckkit.wire.request import Ask, pack, unpack

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(),
    st.timedeltas(timedelta(days=-1000), timedelta(days=1000)),
    st.decimals(allow_nan=False, allow_infinity=False),
)


@given(st.text(), st.dictionaries(st.text(min_size=1), SCALARS | st.lists(SCALARS)), st.none() | st.floats(0.1, 1e6))
def test_what_is_packed_is_unpacked(sql: str, params: dict[str, object], patience_s: float | None) -> None:
    found = unpack(pack(Ask(sql, params, patience_s)))
    assert found == Ask(sql, params or None, patience_s)
    assert {k: type(v) for k, v in (found.params or {}).items()} == {k: type(v) for k, v in params.items()}


@pytest.mark.parametrize("value", [date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), Decimal("1.10"), [b"x", 1.5]])
def test_a_type_is_kept(value: object) -> None:
    found = unpack(pack(Ask("select 1", {"x": value}))).params
    assert found == {"x": value}


def test_numbers_that_json_has_no_word_for() -> None:
    found = unpack(pack(Ask("select 1", {"inf": math.inf, "nan": math.nan}))).params
    assert found is not None and found["inf"] == math.inf and math.isnan(found["nan"])


def test_a_parameter_that_cannot_be_sent_is_named() -> None:
    with pytest.raises(Invalid, match=r"\$node of type object"):
        pack(Ask("select 1", {"node": object()}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"select 1",
        b"{}",
        b'{"sql": 7}',
        b'{"sql": "x", "params": {"a": {"b": 1}}}',
        b'{"sql": "x", "y": 1}',
    ],
)
def test_any_other_body_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match="sql"):
        unpack(body)
