"""Sketches against the values they count: order, error, addition, and what is stored."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telltale_shared.store.sketches import ENTRY, RELATIVE_ERROR, Sketch, codes, values_of

SMALLEST = 1e-100
value = st.one_of(
    st.floats(-1e100, 1e100),
    st.floats(-1e6, 1e6),
    st.integers(-100, 100).map(float),
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1e-100, -1e-100, 9.999e-101, 1e100, -1e100, 2.2250738585072014e-308]),
)
values = st.lists(value, min_size=1, max_size=200)


def array(numbers: list[float]) -> np.ndarray:
    return np.array(numbers, np.float64)


def close(found: float, true: float) -> bool:
    return abs(found - true) <= (RELATIVE_ERROR * abs(true) if abs(true) >= SMALLEST else SMALLEST)


@given(values)
def test_the_value_of_a_bin_is_within_one_percent_of_all_in_it(numbers: list[float]) -> None:
    middles = values_of(codes(array(numbers)))
    assert all(close(found, true) for found, true in zip(middles.tolist(), numbers, strict=True))


@given(values)
def test_codes_rise_with_the_values_and_mirror_at_zero(numbers: list[float]) -> None:
    ordered = np.sort(array(numbers))
    assert (np.diff(codes(ordered).astype(int)) >= 0).all()
    assert (np.diff(values_of(np.unique(codes(ordered)))) > 0).all()
    assert np.array_equal(codes(-ordered), -codes(ordered))


@given(values)
def test_a_code_depends_on_the_value_alone(numbers: list[float]) -> None:
    together = codes(np.repeat(array(numbers), 3)[::3])
    assert together.tolist() == [int(codes(array([number]))[0]) for number in numbers]


@pytest.mark.parametrize("magnitude", [1e-100, 1.0, 1e100])
def test_the_bounds_of_bins_are_where_they_are_documented(magnitude: float) -> None:
    below, above = np.nextafter(magnitude, 0), np.nextafter(magnitude, np.inf)
    assert codes(array([below, magnitude]))[0] <= codes(array([magnitude]))[0] <= codes(array([above]))[0]
    assert (codes(array([SMALLEST]))[0], codes(array([np.nextafter(SMALLEST, 0)]))[0]) == (1, 0)
    assert codes(array([1e100]))[0] < 2**15 - 1


@given(values, st.floats(0, 1))
@example([1.0], 0.0)
@example([-1e100, 1e100], 1.0)
def test_a_quantile_is_within_one_percent_of_the_value_of_its_rank(numbers: list[float], q: float) -> None:
    ordered = sorted(numbers)
    found = Sketch.from_values(array(numbers)).quantile(q, ordered[0], ordered[-1])
    assert close(found, ordered[int(q * (len(ordered) - 1))])
    assert ordered[0] <= found <= ordered[-1]


@given(st.lists(values, min_size=1, max_size=10))
def test_joining_blobs_is_adding_sketches(parts: list[list[float]]) -> None:
    whole = Sketch.from_values(array([number for part in parts for number in part]))
    sketches = [Sketch.from_values(array(part)) for part in parts]
    blobs = [sketch.to_bytes() for sketch in sketches]
    assert Sketch.from_blobs(blobs) == Sketch.from_blobs([b"".join(blobs)]) == whole
    total = sketches[0]
    for sketch in sketches[1:]:
        total += sketch
    assert total == whole
    assert whole.count == sum(len(part) for part in parts)
    assert Sketch.from_blobs([whole.to_bytes()]).to_bytes() == whole.to_bytes()


def test_a_count_too_large_for_an_entry_is_spread_over_several() -> None:
    half = np.array([3, 2**32 - 1, 2**33 + 5, 7], np.int64)
    sketch = Sketch(np.array([-5, 0, 9, 11], np.int16), half)
    blob = sketch.to_bytes()
    assert len(blob) == ENTRY.itemsize * 6
    assert Sketch.from_blobs([blob]) == sketch
    assert Sketch.from_blobs([blob, blob]) == sketch + sketch


def test_a_sketch_of_nothing_has_a_count_but_no_quantile() -> None:
    nothing = Sketch.from_blobs([])
    assert nothing.count == 0
    assert nothing.to_bytes() == b""
    with pytest.raises(ValueError, match="no values"):
        nothing.quantile(0.5, 0.0, 0.0)
    with pytest.raises(ValueError, match="not from 0 to 1"):
        Sketch.from_values(array([1.0])).quantile(1.5, 1.0, 1.0)
