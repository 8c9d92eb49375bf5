import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from telltale_shared.detection.model import Model, Readings, Scores
from telltale_shared.detection.state import Floats, Kind, Table

SECOND = 1_000_000
START = 1_767_225_600 * SECOND  # 2026-01-01 00:00 UTC


def readings(model: Model, value: Floats, *, step: int = SECOND, start: int = START) -> Readings:
    """``value`` (time, series) as readings, all series at each instant."""
    times, series = value.shape
    rows = np.array([row for n in range(series) if (row := model.table.row(f"s{n}", "c", "K")) is not None])
    at = start + step * np.arange(times, dtype=np.int64)
    return Readings(np.tile(rows, times), np.repeat(at, series), value.ravel())


def run(value: Floats, *, step: int = SECOND, model: Model | None = None) -> Scores:
    """The scores of ``value``: (time,) for one series or (time, series)."""
    model = model or Model()
    return model.score(readings(model, value.reshape(value.shape[0], -1), step=step))


def found(scores: Scores, *, step: int = SECOND) -> list[tuple[int, str]]:
    """Position and kind of each anomaly."""
    return [((one.observed_at - START) // step, str(one.kind)) for one in scores.anomalies]


def noise(size: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(20.0, 1.0, size)


def same(one: Scores, other: Scores) -> bool:
    columns = ("score", "distance", "expected_low", "expected_high")
    return one.anomalies == other.anomalies and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in columns
    )


# What it finds


@pytest.mark.parametrize("height", [9.0, -12.0, 100.0])
def test_a_spike_gives_one_alarm_at_its_reading(height: float) -> None:
    value = noise(1_000)
    value[700] += height
    (anomaly,) = run(value).anomalies
    assert (anomaly.observed_at - START) // SECOND == 700
    assert anomaly.kind in {Kind.SPIKE, Kind.OUT_OF_RANGE}
    assert anomaly.score > 6
    assert anomaly.expected_low < 20 < anomaly.expected_high
    assert not anomaly.expected_low <= anomaly.value <= anomaly.expected_high


@pytest.mark.parametrize(("height", "delay"), [(2.0, 60), (6.0, 5), (9.0, 0), (-9.0, 0)])
def test_a_level_shift_gives_one_alarm(height: float, delay: int) -> None:
    value = noise(5_000)
    value[4_000:] += height
    ((at, kind),) = found(run(value))
    assert kind == Kind.LEVEL_SHIFT
    assert 4_000 <= at <= 4_000 + delay


def test_a_value_that_stands_still_gives_one_alarm() -> None:
    value = noise(2_000)
    value[1_000:1_600] = value[1_000]
    ((at, kind),) = found(run(value))
    assert kind == Kind.FLATLINE
    assert at <= 1_025


def test_far_beyond_everything_seen_is_out_of_range_at_once() -> None:
    value = noise(500)
    value[-1] = 500.0
    ((at, kind),) = found(run(value))
    assert (at, kind) == (499, Kind.OUT_OF_RANGE)


def test_a_burst_gives_one_alarm() -> None:
    value = noise(1_000)
    value[700:720] += np.random.default_rng(2).choice([-15.0, 15.0], 20)
    assert len(run(value).anomalies) == 1


def test_a_day_that_breaks_its_season() -> None:
    day = 288
    time = np.arange(10 * day) / day
    value = 10 * np.sin(2 * np.pi * time) + np.random.default_rng(3).normal(0, 0.3, time.size)
    quiet = run(value, step=300 * SECOND)
    assert quiet.anomalies == []
    value[9 * day + 60 : 9 * day + 90] = 0.0
    broken = run(value, step=300 * SECOND)
    assert [kind for _, kind in found(broken)] == [Kind.SEASON]


def test_the_season_is_expected_after_it_has_been_seen() -> None:
    day = 288
    value = 10 * np.sin(2 * np.pi * np.arange(6 * day) / day) + np.random.default_rng(4).normal(0, 0.3, 6 * day)
    model = Model()
    every = readings(model, value[:, None], step=300 * SECOND)
    silent = slice(5 * day, 5 * day + day // 4)
    kept = np.ones(value.size, dtype=bool)
    kept[silent] = False
    scores = model.score(Readings(every.rows[kept], every.observed_at[kept], every.value[kept]))
    assert scores.anomalies == []
    back = 5 * day
    assert abs(value[silent.stop] - value[silent.start - 1]) > 8
    assert scores.distance[back] < 6
    assert scores.expected_high[back] - scores.expected_low[back] < 10


def test_noise_that_grows_is_a_change_of_variance() -> None:
    value = noise(6_000)
    value[5_000:5_200] = 20 + 3.5 * (value[5_000:5_200] - 20)
    model = Model()
    every = readings(model, value[:, None])
    model.table.set_limits(0, ONLY_VARIANCE)
    ((at, kind),) = found(model.score(every))
    assert kind == Kind.VARIANCE
    assert 5_000 <= at < 5_060


ONLY_VARIANCE = dict.fromkeys(set(Kind) - {Kind.VARIANCE}, 500.0)


def test_each_kind_is_told_in_one_sentence_with_its_figures() -> None:
    value = noise(9_000)
    value[500] += 9
    value[1_000:] += 10
    value[2_000:2_100] = value[2_000]
    value[2_500] = 500
    scattered = noise(6_000)
    scattered[5_000:5_200] = 20 + 3.5 * (scattered[5_000:5_200] - 20)
    calm = Model()
    every = readings(calm, scattered[:, None])
    calm.table.set_limits(0, ONLY_VARIANCE)
    day = 288
    daily = 10 * np.sin(2 * np.pi * np.arange(10 * day) / day) + noise(10 * day, seed=3) * 0.3
    daily[9 * day + 60 : 9 * day + 90] = 6.0
    broken = run(daily, step=300 * SECOND).anomalies
    told = {one.kind: one for one in [*run(value).anomalies, *broken, *calm.score(every).anomalies]}
    assert set(told) == set(Kind)
    for one in told.values():
        text = one.explanation
        assert text.endswith(".")
        assert text.count(". ") == 0
        assert " K" in text
        assert " UTC" in text
        assert one.score >= 6
        assert one.expected_low < one.expected_high
    for kind in set(Kind) - {Kind.FLATLINE}:
        assert "once in about " in told[kind].explanation
    assert "lies above what was expected (" in told[Kind.SPIKE].explanation
    assert "since 00:33:20 UTC exactly" in told[Kind.FLATLINE].explanation
    assert "500 K lies far above" in told[Kind.OUT_OF_RANGE].explanation
    assert "of earlier days at this time" in told[Kind.SEASON].explanation


# How rare it has to be


def news(scores: Scores) -> list[int]:
    """Where a reading would be worth an alarm at normal sensitivity, whether or not an event lasts."""
    return np.flatnonzero(np.nan_to_num(scores.score) >= 6).tolist()


def test_what_leaves_all_that_was_seen_is_new_once() -> None:
    value = np.tile([1.0, 2.0, 3.0, 2.0], 200)
    value[500:520] = 6.0
    assert news(run(value)) == [500]


def test_noise_that_exceeds_itself_by_a_little_is_no_news() -> None:
    assert len(news(run(np.random.default_rng(1).normal(0, 1, (5_000, 80))))) <= 3  # in 400,000 readings


def test_a_rare_jump_is_news_again_and_a_habit_is_not() -> None:
    value = np.random.default_rng(1).normal(20, 1, (20_000, 2))
    value[4_000::4_000, 0] += 12
    value[300::300, 1] += 12
    told = [one.series.source for one in run(value).anomalies]
    assert told.count("s0") == 4
    assert told.count("s1") <= 6  # of 66


def test_one_wild_reading_does_not_deafen() -> None:
    value = np.tile([1.0, 2.0, 3.0, 2.0], 400)
    value[500] = 1e12
    value[1_500] = 20.0
    assert news(run(value)) == [500, 1_500]


def test_a_limit_of_a_kind_decides_what_is_marked() -> None:
    value = noise(9_000)
    value[1_000] += 9
    value[5_000:] += 9
    strict = Model()
    every = readings(strict, value[:, None])
    strict.table.set_limits(0, {Kind.SPIKE: 200.0})
    assert [kind for _, kind in found(strict.score(every))] == [Kind.LEVEL_SHIFT]
    deaf = Model()
    every = readings(deaf, value[:, None])
    deaf.table.set_limits(0, dict.fromkeys(Kind, 2_000.0))
    assert deaf.score(every).anomalies == []


# What it leaves in peace


def test_clean_series_with_a_daily_rhythm_give_hardly_an_alarm() -> None:
    rng = np.random.default_rng(5)
    time = np.arange(8_640)[:, None] / 8_640  # a day at one reading in 10 s
    swing = rng.uniform(0, 50, 80)
    value = 20 + swing * np.sin(2 * np.pi * (time + rng.uniform(0, 1, 80))) + rng.normal(0, 1, (8_640, 80))
    assert len(run(value, step=10 * SECOND).anomalies) <= 2


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(np.cumsum(np.random.default_rng(6).normal(0, 1, 3_000)), id="random walk"),
        pytest.param(np.cumsum(np.random.default_rng(6).integers(0, 100, 3_000)).astype(float), id="counter"),
        pytest.param(np.round(np.random.default_rng(6).normal(20, 0.3, 5_000)), id="few distinct values"),
        pytest.param((np.arange(4_000) % 400 == 399).astype(float), id="rare blips"),
        pytest.param(np.random.default_rng(6).uniform(0, 1, 3_000), id="uniform"),
    ],
)
def test_ordinary_characters_give_no_alarm_after_the_first(value: Floats) -> None:
    assert len(run(value).anomalies) <= 2


def test_a_habitual_jumper_falls_silent() -> None:
    rng = np.random.default_rng(7)
    value = np.where(np.arange(9_000) // 100 % 2, 50.0, 5.0) + rng.normal(0, 1, 9_000)
    alarms = [at for at, _ in found(run(value))]
    late = [at for at in alarms if at > 4_500]
    assert len(late) <= 15  # of 45 jumps


@settings(max_examples=20, deadline=None)
@given(st.floats(-1e300, 1e300), st.integers(1, 300))
def test_a_constant_never_alarms(value: float, size: int) -> None:
    scores = run(np.full(size, value))
    assert scores.anomalies == []
    assert not scores.score.any()
    assert not scores.distance.any()


def test_nothing_before_the_warm_up() -> None:
    value = noise(59)
    value[40] = 1e6
    assert run(value).anomalies == []


def test_where_a_series_goes_on_after_a_gap_is_no_surprise() -> None:
    model = Model()
    before, after = noise(500), noise(500, seed=2) + 7.0
    first = model.score(readings(model, before[:, None]))
    second = model.score(readings(model, after[:, None], start=START + 5_000 * SECOND))
    assert first.anomalies == second.anomalies == []


def test_irregular_sampling_gives_no_alarm() -> None:
    model = Model()
    row = model.table.row("s", "c", None)
    assert row is not None
    rng = np.random.default_rng(8)
    at = START + np.cumsum(rng.exponential(SECOND, 3_000)).astype(np.int64)
    value = np.sin(at / SECOND / 600) + rng.normal(0, 0.1, at.size)
    assert model.score(Readings(np.full(at.size, row), at, value)).anomalies == []


# Laws


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_the_cut_into_batches_changes_nothing(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1_000)))
    value = rng.normal(0, 1, (150, 3))
    value[100:, 0] += 20
    value[90, 1] = 30
    value[80:, 2] = value[80, 2]
    whole, cut = Model(), Model()
    every = readings(whole, value)
    readings(cut, value[:1])
    expected = whole.score(every)
    cuts = sorted(data.draw(st.lists(st.integers(0, every.rows.size), max_size=8)))
    parts = [
        cut.score(Readings(every.rows[a:b], every.observed_at[a:b], every.value[a:b]))
        for a, b in zip([0, *cuts], [*cuts, every.rows.size], strict=True)
    ]
    assert np.array_equal(expected.score, np.concatenate([part.score for part in parts]))
    told = [anomaly for part in parts for anomaly in part.anomalies]
    # The order between series within a batch is free.
    assert sorted(told, key=repr) == sorted(expected.anomalies, key=repr)
    assert np.array_equal(whole.table.block, cut.table.block)
    assert np.array_equal(whole.table.profile, cut.table.profile, equal_nan=True)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 799))
def test_what_comes_later_changes_nothing_that_was_said(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    value = rng.normal(0, 1, (800, 3)) + np.where(rng.uniform(size=(800, 3)) < 0.01, 15.0, 0.0)
    whole, prefix = run(value), run(value[:cut])
    size = prefix.score.size
    assert np.array_equal(prefix.score, whole.score[:size], equal_nan=True)
    assert np.array_equal(prefix.expected_high, whole.expected_high[:size])
    assert set(prefix.anomalies) <= set(whole.anomalies)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1_000), st.integers(0, 4))
def test_neighbours_change_nothing(seed: int, alone: int) -> None:
    rng = np.random.default_rng(seed)
    value = rng.normal(0, 1, (800, 5)) + np.where(rng.uniform(size=(800, 5)) < 0.01, 15.0, 0.0)
    together, single = run(value), run(value[:, alone])
    assert np.array_equal(together.score.reshape(800, 5)[:, alone], single.score)
    mine = [one for one in together.anomalies if one.series.source == f"s{alone}"]
    assert [(one.observed_at, one.kind, one.score) for one in mine] == [
        (one.observed_at, one.kind, one.score) for one in single.anomalies
    ]


@settings(max_examples=20, deadline=None)
@given(arrays(np.float64, 200, elements=st.integers(-50, 50).map(float)), st.integers(-20, 20))
def test_the_unit_of_measurement_changes_nothing(value: Floats, exponent: int) -> None:
    scale = 2.0**exponent
    plain, scaled = run(value), run(value * scale)
    assert np.array_equal(plain.score, scaled.score)
    assert np.array_equal(plain.distance, scaled.distance)
    assert found(plain) == found(scaled)
    assert np.array_equal(plain.expected_low * scale, scaled.expected_low)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1_000))
def test_nothing_negative_is_expected_of_a_series_that_never_was(seed: int) -> None:
    value = np.random.default_rng(seed).exponential(1, 300)
    value[250] = 200
    scores = run(value)
    assert (scores.expected_low[1:] >= 0).all()
    assert all(one.expected_low >= 0 and "(-" not in one.explanation for one in scores.anomalies)
    value[100:] -= 3
    assert (run(value).expected_low[110:] < 0).any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1_000), st.floats(-1e4, 1e4))
def test_the_zero_of_the_scale_changes_nothing(seed: int, offset: float) -> None:
    value = np.random.default_rng(seed).normal(0, 1, 300)
    value[200] += 25
    plain, moved = run(value), run(value + offset)
    assert found(plain) == found(moved)
    np.testing.assert_allclose(plain.distance, moved.distance, rtol=1e-4, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, 120, elements=st.floats(-1e300, 1e300)),
    arrays(np.int64, 120, elements=st.integers(-5 * SECOND, 100 * SECOND)),
)
def test_whatever_arrives_the_figures_stay_finite(value: Floats, steps: np.typing.NDArray[np.int64]) -> None:
    model = Model()
    row = model.table.row("s", "c", None)
    assert row is not None
    scores = model.score(Readings(np.full(value.size, row), START + np.cumsum(steps), value))
    taken = ~np.isnan(scores.score)
    assert taken[0]
    assert ((scores.score[taken] >= 0) & (scores.score[taken] <= 1_000)).all()
    assert np.isfinite(scores.expected_low[taken]).all()
    assert np.isfinite(scores.expected_high[taken]).all()
    assert all(np.isfinite([one.score, one.value]).all() and one.score <= 1_000 for one in scores.anomalies)


def test_readings_that_are_not_later_are_ignored() -> None:
    value = noise(300)
    plain, disturbed = Model(), Model()
    expected = plain.score(readings(plain, value[:, None]))
    every = readings(disturbed, value[:, None])
    disturbed.score(Readings(every.rows[:200], every.observed_at[:200], every.value[:200]))
    late = disturbed.score(Readings(every.rows[:50], every.observed_at[150:200], every.value[:50] + 1e6))
    assert np.isnan(late.score).all()
    rest = disturbed.score(Readings(every.rows[200:], every.observed_at[200:], every.value[200:]))
    assert np.array_equal(rest.score, expected.score[200:])


def test_a_held_spike_is_reported_when_its_series_falls_silent() -> None:
    model = Model()
    value = noise(300)
    value[-1] += 9
    every = readings(model, value[:, None])
    assert model.score(every).anomalies == []
    last = int(every.observed_at[-1])
    assert model.flush(last + SECOND) == []
    (spike,) = model.flush(last + 60 * SECOND)
    assert (spike.kind, spike.observed_at) == (Kind.SPIKE, last)
    assert model.flush(last + 120 * SECOND) == []


def test_memory_is_bounded() -> None:
    model = Model(Table(capacity_limit=100))
    rows = [model.table.row(f"s{n}", "c", None) for n in range(200)]
    assert rows[:100] == list(range(100))
    assert rows[100:] == [None] * 100
    assert model.table.row("s7", "c", "K") == 7
    assert model.table.series[7].unit == "K"
    per_series = (model.table.block.nbytes + model.table.profile.nbytes) / model.table.profile.shape[0]
    assert per_series <= 4_096
