import numpy as np

from telltale_detector.expectations import SERIES_AT_ONCE, Expectations
from telltale_shared.contracts import ExpectedRanges
from telltale_shared.detection.model import Model, Readings
from telltale_shared.detection.tuning import TUNING

SECOND = 1_000_000


def feed(model: Model, expectations: Expectations, series: int, seconds: range) -> None:
    rng = np.random.default_rng(7)
    for second in seconds:
        rows = np.arange(series)
        values = 20.0 + rng.normal(0.0, 0.1, series)
        readings = Readings(rows, np.full(series, second * SECOND), values)
        expectations.take(readings, model.score(readings))


def model_of(series: int) -> tuple[Model, Expectations]:
    model = Model()
    for number in range(series):
        assert model.table.row(f"press-{number}", "temperature", "°C") == number
    return model, Expectations(model.table)


def test_nothing_is_told_of_a_series_that_is_being_learned() -> None:
    model, expectations = model_of(1)
    feed(model, expectations, 1, range(1, TUNING.warm_up - 1))
    assert expectations.message(0) is None


def test_the_newest_range_of_each_series_is_told_once() -> None:
    model, expectations = model_of(2)
    feed(model, expectations, 2, range(1, 200))
    message = expectations.message(77)
    assert isinstance(message, ExpectedRanges)
    assert [one.source for one in message.series] == ["press-0", "press-1"]
    assert message.observed_at == [199 * SECOND] * 2
    assert all(19.0 < low < 20.0 < high < 21.0 for low, high in zip(message.low, message.high, strict=True))
    assert expectations.message(78) is None


def test_of_very_many_series_each_has_its_turn() -> None:
    count = 2 * SERIES_AT_ONCE + 10
    model, expectations = model_of(count)
    feed(model, expectations, count, range(1, 100))
    told: list[str] = []
    for second in range(100, 103):
        # All have something new again: nobody is passed over because others are quicker.
        feed(model, expectations, count, range(second, second + 1))
        message = expectations.message(second)
        assert message is not None
        assert len(message.series) == SERIES_AT_ONCE
        told += [one.source for one in message.series]
    assert set(told) == {f"press-{number}" for number in range(count)}
