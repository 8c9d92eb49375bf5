import random

import pytest
from tests.prove.slopes import slope

MINUTE = 60.0


def _samples(growth_per_hour: float, noise: float) -> list[tuple[float, float]]:
    rng = random.Random(1)
    return [
        (n * MINUTE / 6, 100 + growth_per_hour * n / 360 + rng.gauss(0, noise))
        for n in range(360)
    ]  # fmt: skip


def test_noise_alone_is_flat() -> None:
    found = slope(_samples(0, 3))
    assert found.is_flat(0)
    assert found.mean == pytest.approx(100, abs=1)


def test_growth_is_seen_through_noise() -> None:
    found = slope(_samples(5, 3))
    assert found.per_hour == pytest.approx(5, abs=2)
    assert not found.is_flat(0.01)


def test_a_little_growth_is_tolerated_where_that_is_said() -> None:
    found = slope(_samples(0.5, 0.01))
    assert not found.is_flat(0)
    assert found.is_flat(0.01)


def test_shrinking_is_no_flatness_either() -> None:
    assert not slope(_samples(-5, 0.1)).is_flat(0.01)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        slope([(0.0, 1.0)] * 5)
