"""What a reading may be: every reason of the table, at its edges, and nothing else for any input."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale_shared.validation import (
    DAY,
    FUTURE_SKEW,
    NAME_MAX,
    UNIT_MAX,
    VALUE_MAX,
    TimeBounds,
    check_series,
    check_time,
    check_value,
)

NOW = 1_795_468_261_000_000
REASONS = {
    "bad_source", "bad_category", "bad_unit", "not_a_number", "not_finite", "out_of_range", "too_old", "in_the_future",
}  # fmt: skip
anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.integers())


@pytest.mark.parametrize("name", ["a", "x" * NAME_MAX, "Press 1/üñ °C", "=1+1", "日本", "a'b\"c"])
def test_a_name_may_be_any_printable_text(name: str) -> None:
    assert check_series(name, name, None) is None


@pytest.mark.parametrize(
    "name", ["", "x" * (NAME_MAX + 1), "a\nb", "a\x00", "\ud800", " a", "a ", "\u202e", None, 7, b"a"]
)
def test_a_bad_name_is_refused_by_what_it_names(name: object) -> None:
    source = check_series(name, "ok", None)
    category = check_series("ok", name, None)
    assert source is not None
    assert source.reason == "bad_source"
    assert category is not None
    assert category.reason == "bad_category"


@pytest.mark.parametrize(
    ("unit", "good"),
    [
        (None, True),
        ("°C", True),
        ("x" * UNIT_MAX, True),
        ("x" * (UNIT_MAX + 1), False),
        ("", False),
        ("\t", False),
        (1, False),
    ],
)
def test_a_unit_is_short_or_absent(unit: object, good: bool) -> None:
    rejected = check_series("s", "c", unit)
    assert (rejected is None) is good
    assert rejected is None or rejected.reason == "bad_unit"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0, None),
        (-0.0, None),
        (5e-324, None),
        (VALUE_MAX, None),
        (-VALUE_MAX, None),
        (math.nextafter(VALUE_MAX, math.inf), "out_of_range"),
        (10**400, "out_of_range"),
        (math.nan, "not_finite"),
        (math.inf, "not_finite"),
        (-math.inf, "not_finite"),
        (True, "not_a_number"),
        ("1", "not_a_number"),
        (None, "not_a_number"),
    ],
)
def test_a_value_is_a_number_that_a_database_can_hold(value: object, reason: str | None) -> None:
    rejected = check_value(value)
    assert (rejected and rejected.reason) == reason


def test_times_are_bounded_half_open() -> None:
    bounds = TimeBounds.around(NOW, retention=DAY)
    assert check_time(NOW - DAY, bounds) is None
    assert check_time(NOW + FUTURE_SKEW - 1, bounds) is None
    for observed_at, reason in (
        (NOW - DAY - 1, "too_old"),
        (NOW + FUTURE_SKEW, "in_the_future"),
        (1.5, "not_a_number"),
    ):
        rejected = check_time(observed_at, bounds)
        assert rejected is not None
        assert rejected.reason == reason


@given(anything, anything, anything, anything, anything)
def test_nothing_raises_and_every_reason_is_in_the_table(
    source: object, category: object, unit: object, value: object, observed_at: object
) -> None:
    checks = (check_series(source, category, unit), check_value(value), check_time(observed_at, TimeBounds.around(NOW)))
    for rejected in checks:
        assert rejected is None or (rejected.reason in REASONS and rejected.detail)
