"""The synthetic source: pure, regular, and wrong exactly where it says so."""

import itertools
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale_generator.sources import Reading
from telltale_generator.sources.noise import normal, uniform, wander
from telltale_generator.sources.source import CATCH_UP, Grid
from telltale_generator.sources.synthetic import SENSORS, AnomalyKind, SyntheticSource, UnknownSeries

SECOND = 1_000_000
HOUR = 3_600 * SECOND
START = 1_795_000_000 * SECOND + 123_456


def values(source: SyntheticSource, start: int, seconds: int, *, step: int = 1) -> list[Reading]:
    source.begin(start)
    return [one for second in range(step, seconds + 1, step) for one in source.due(start + second * SECOND)]


def test_eight_sensors_in_four_categories_measure_once_a_second() -> None:
    readings = values(SyntheticSource(seed=1), START, 10)
    assert len(readings) == 80
    assert len({(one.source, one.category) for one in readings}) == 8
    assert len({one.category for one in readings}) == 4
    assert {one.observed_at % SECOND for one in readings} == {0}


@given(st.integers(0, 2**63), st.integers(0, 10 * HOUR))
@settings(max_examples=30)
def test_the_same_seed_and_times_give_the_same_values(seed: int, shift: int) -> None:
    one = values(SyntheticSource(seed=seed, anomaly_every=HOUR), START + shift, 6)
    other = values(SyntheticSource(seed=seed, anomaly_every=HOUR), START + shift, 6, step=3)
    assert one == other


def test_another_seed_gives_other_values() -> None:
    assert values(SyntheticSource(seed=1), START, 5) != values(SyntheticSource(seed=2), START, 5)


def test_all_is_well_within_the_sensors_range_over_a_day() -> None:
    source = SyntheticSource(seed=3)
    for minute in range(0, 24 * 60, 7):
        source.begin(START + minute * 60 * SECOND)
        for one, sensor in zip(source.due(START + (minute * 60 + 1) * SECOND), SENSORS, strict=True):
            assert sensor.low < one.value < sensor.high


def test_the_daily_rhythm_peaks_when_it_should() -> None:
    press = SENSORS[:1]
    midnight = START - START % (24 * HOUR)

    def mean(hour: float) -> float:
        source = SyntheticSource(seed=5, sensors=press)
        return statistics.fmean(one.value for one in values(source, midnight + int(hour * HOUR), 60))

    assert mean(press[0].peak_hour) > mean((press[0].peak_hour + 12) % 24) + press[0].daily


def test_labels_name_every_anomaly_and_nothing_else() -> None:
    wrong = SyntheticSource(seed=11, anomaly_every=HOUR)
    right = SyntheticSource(seed=11)
    end = START + 2 * HOUR
    labels = wrong.labels(START, end)
    assert {one.kind for one in labels} == set(AnomalyKind)
    for with_anomalies, without in zip(values(wrong, START, 7_200), values(right, START, 7_200), strict=True):
        labelled = any(
            (one.source, one.category) == with_anomalies[:2] and one.start <= with_anomalies.observed_at < one.end
            for one in labels
        )
        assert labelled or with_anomalies == without


@pytest.mark.parametrize("kind", AnomalyKind)
def test_an_injected_anomaly_shows_at_once(kind: AnomalyKind) -> None:
    source, calm = SyntheticSource(seed=1), SyntheticSource(seed=1)
    sensor = SENSORS[4]
    anomaly = source.inject(kind, START, sensor.source, sensor.category)
    assert anomaly.start - START <= SECOND
    seconds = (anomaly.end - START) // SECOND + 5
    mine = [one for one in values(source, START, seconds) if one[:2] == (sensor.source, sensor.category)]
    usual = [one for one in values(calm, START, seconds) if one[:2] == (sensor.source, sensor.category)]
    inside = [n for n, one in enumerate(mine) if anomaly.start <= one.observed_at < anomaly.end]
    assert inside[0] == 0
    off = [abs(mine[n].value - usual[n].value) for n in inside]
    match kind:
        case AnomalyKind.FLATLINE:
            assert len({mine[n].value for n in inside}) == 1
        case AnomalyKind.OUT_OF_RANGE:
            assert all(mine[n].value > sensor.high for n in inside)
        case _:
            assert min(off) > 5 * sensor.noise
    assert mine[inside[-1] + 1 :] == usual[inside[-1] + 1 :]
    assert source.labels(START, START + HOUR) == [anomaly]


def test_an_injected_anomaly_lasts_long_enough_for_slow_sensors() -> None:
    source = SyntheticSource(seed=1, rate=0.1)
    anomaly = source.inject(AnomalyKind.SPIKE, START)
    assert anomaly.end - anomaly.start == 20 * SECOND


def test_an_unknown_series_cannot_go_wrong() -> None:
    with pytest.raises(UnknownSeries):
        SyntheticSource(seed=1).inject(AnomalyKind.SPIKE, START, "press-1", "pressure")


@given(
    st.floats(0.01, 1_000),
    st.lists(st.integers(-2 * SECOND, 3 * SECOND), max_size=20),
)
def test_a_grid_gives_each_instant_once_whatever_the_clock_does(rate: float, steps: list[int]) -> None:
    grid, now = Grid(rate), START
    grid.begin(now)
    given_so_far: list[int] = []
    for step in steps:
        now += step
        instants = grid.due(now)
        assert all(instant <= now for instant in instants)
        given_so_far += instants
        assert grid.next_due(now) > max(now, *given_so_far, 0)
    assert given_so_far == sorted(set(given_so_far))
    assert all(abs(instant * rate / SECOND - round(instant * rate / SECOND)) < 1e-2 for instant in given_so_far)


def test_a_grid_leaves_out_what_a_long_stop_missed() -> None:
    grid = Grid(1)
    grid.begin(START)
    assert len(grid.due(START + HOUR)) == CATCH_UP // SECOND


def test_a_changed_rate_goes_on_where_the_grid_was() -> None:
    source = SyntheticSource(seed=1, sensors=SENSORS[:1])
    before = values(source, START, 3)
    source.set_rate(4)
    after = source.due(START + 4 * SECOND)
    assert len(after) == 4
    assert before[-1].observed_at < after[0].observed_at


def test_the_noise_is_normal_and_the_wandering_smooth() -> None:
    numbers = [normal(1, n) for n in range(5_000)]
    assert abs(statistics.fmean(numbers)) < 0.05
    assert abs(statistics.stdev(numbers) - 1) < 0.05
    assert all(0 <= uniform(2, n) < 1 for n in range(1_000))
    curve = [wander(n / 100, 1) for n in range(1_000)]
    assert max(abs(a - b) for a, b in itertools.pairwise(curve)) < 0.1
