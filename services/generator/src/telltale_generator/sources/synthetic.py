"""Eight made-up sensors of a small plant: daily rhythm, wandering, drift and noise, and anomalies with a label.

Every value is a pure function of seed, sensor and time, so a restart goes on where the curve would be, and an
evaluation can ask for any day again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from telltale_generator.sources.noise import mixed, normal, uniform, wander
from telltale_generator.sources.source import MICROSECONDS, Grid, Reading, SeriesName

DAY = 86_400 * MICROSECONDS
WANDER_KNOTS = 600 * MICROSECONDS
DRIFT_KNOTS = 6 * 3_600 * MICROSECONDS


@dataclass(frozen=True)
class Sensor:
    """How the values of one series come about, in its unit."""

    source: str
    category: str
    unit: str
    base: float
    daily: float
    """Amplitude of the daily rhythm."""
    peak_hour: float
    """Hour of the day (UTC) at which the daily rhythm is highest."""
    drift: float
    """Size of the slow wandering over hours."""
    wander: float
    """Size of the wandering over minutes."""
    noise: float
    """Standard deviation of the noise of a single reading."""
    low: float
    high: float
    """The range in which the sensor can be when all is well."""
    decimals: int


SENSORS = (
    Sensor("press-1", "temperature", "°C", 62.0, 4.0, 15.0, 0.8, 0.5, 0.25, 20.0, 95.0, 2),
    Sensor("press-2", "temperature", "°C", 58.0, 3.5, 14.5, 0.9, 0.4, 0.22, 20.0, 95.0, 2),
    Sensor("press-1", "vibration", "mm/s", 2.4, 0.3, 11.0, 0.08, 0.06, 0.09, 0.0, 7.0, 3),
    Sensor("pump-1", "vibration", "mm/s", 1.8, 0.2, 12.0, 0.06, 0.05, 0.07, 0.0, 7.0, 3),
    Sensor("pump-1", "pressure", "bar", 6.2, 0.25, 10.0, 0.08, 0.05, 0.03, 0.0, 10.0, 3),
    Sensor("boiler-1", "pressure", "bar", 8.5, 0.4, 7.0, 0.1, 0.07, 0.04, 0.0, 13.0, 3),
    Sensor("line-1", "power", "kW", 148.0, 22.0, 13.0, 3.0, 2.5, 1.6, 0.0, 260.0, 1),
    Sensor("line-2", "power", "kW", 131.0, 18.0, 12.5, 2.5, 2.2, 1.4, 0.0, 260.0, 1),
)


class AnomalyKind(StrEnum):
    """What can go wrong with a synthetic sensor."""

    SPIKE = "spike"
    LEVEL_SHIFT = "level_shift"
    FLATLINE = "flatline"
    OUT_OF_RANGE = "out_of_range"


LASTS = {
    AnomalyKind.SPIKE: 2,
    AnomalyKind.LEVEL_SHIFT: 120,
    AnomalyKind.FLATLINE: 60,
    AnomalyKind.OUT_OF_RANGE: 5,
}
"""Seconds, or readings where the rate is below one a second."""
SIZES = {AnomalyKind.SPIKE: (10.0, 16.0), AnomalyKind.LEVEL_SHIFT: (6.0, 10.0)}
"""How far off, in standard deviations of noise and wandering together: least and most."""


@dataclass(frozen=True)
class Anomaly:
    """The label of one anomaly: which readings are wrong on purpose, and how."""

    source: str
    category: str
    kind: AnomalyKind
    start: int
    end: int
    """Half-open range of times, µs since 1970-01-01 UTC."""
    size: float
    """How far off, in standard deviations of noise and wandering together; 0 where that means nothing."""


class UnknownSeries(LookupError):
    """There is no such synthetic sensor."""


class SyntheticSource:
    """The sensors above, measured on a regular grid of times.

    Args:
        seed: which world of all the possible ones.
        rate: readings per second and sensor.
        anomaly_every: µs that hold exactly one anomaly of each sensor; 0 for a world without any.
        sensors: what to measure.
    """

    finished = False

    def __init__(
        self, *, seed: int, rate: float = 1.0, anomaly_every: int = 0, sensors: Sequence[Sensor] = SENSORS
    ) -> None:
        self._seed = seed
        self._every = anomaly_every
        self._sensors = tuple(sensors)
        self._grid = Grid(rate)
        self._injected: list[Anomaly] = []

    @property
    def series(self) -> list[SeriesName]:
        """The series of all sensors."""
        return [SeriesName(sensor.source, sensor.category, sensor.unit) for sensor in self._sensors]

    def begin(self, now: int) -> None:
        """Leave out what would have been measured before ``now``."""
        self._grid.begin(now)

    def due(self, now: int) -> list[Reading]:
        """One reading of each sensor for every instant of the grid since the last call."""
        self._injected = [anomaly for anomaly in self._injected if anomaly.end > now - DAY]
        return [
            Reading(sensor.source, sensor.category, sensor.unit, at, self._value(key, sensor, at))
            for at in self._grid.due(now)
            for key, sensor in enumerate(self._sensors)
        ]

    def next_due(self, now: int) -> int:
        """The next instant of the grid."""
        return self._grid.next_due(now)

    def set_rate(self, rate: float) -> None:
        """Measure ``rate`` times a second from now on."""
        self._grid = self._grid.at_rate(rate)

    def inject(self, kind: AnomalyKind, now: int, source: str | None = None, category: str | None = None) -> Anomaly:
        """Make one sensor go wrong from its next reading on.

        Args:
            kind: how.
            now: µs since 1970-01-01 UTC.
            source: which sensor; any if None.
            category: which of the source's series; any if None.

        Raises:
            UnknownSeries: no sensor has this source and category.
        """
        fitting = [
            (key, sensor)
            for key, sensor in enumerate(self._sensors)
            if source in (None, sensor.source) and category in (None, sensor.category)
        ]
        if not fitting:
            raise UnknownSeries
        key, sensor = fitting[mixed(self._seed, now) % len(fitting)]
        anomaly = self._anomaly(key, sensor, kind, self._grid.next_due(now))
        self._injected.append(anomaly)
        return anomaly

    def labels(self, start: int, end: int) -> list[Anomaly]:
        """Every anomaly that touches the half-open range of times, in order of its start."""
        scheduled = [
            anomaly
            for key, sensor in enumerate(self._sensors)
            for window in (range(start // self._every, end // self._every + 1) if self._every else ())
            for anomaly in (self._scheduled(key, sensor, window),)
        ]
        touching = [one for one in (*scheduled, *self._injected) if one.start < end and one.end > start]
        return sorted(touching, key=lambda one: one.start)

    def _value(self, key: int, sensor: Sensor, at: int) -> float:
        for anomaly in self._injected:
            if anomaly.start <= at < anomaly.end and (anomaly.source, anomaly.category) == (
                sensor.source,
                sensor.category,
            ):
                return self._wrong(key, sensor, anomaly, at)
        if self._every:
            anomaly = self._scheduled(key, sensor, at // self._every)
            if anomaly.start <= at < anomaly.end:
                return self._wrong(key, sensor, anomaly, at)
        return round(self._right(key, sensor, at), sensor.decimals)

    def _right(self, key: int, sensor: Sensor, at: int) -> float:
        hours = (at % DAY) / (3_600 * MICROSECONDS)
        value = (
            sensor.base
            + sensor.daily * math.cos(2.0 * math.pi * (hours - sensor.peak_hour) / 24.0)
            + sensor.drift * wander(at / DRIFT_KNOTS, self._seed, key, 1)
            + sensor.wander * wander(at / WANDER_KNOTS, self._seed, key, 2)
            + sensor.noise * normal(self._seed, key, 3, at)
        )
        return min(max(value, sensor.low), sensor.high)

    def _wrong(self, key: int, sensor: Sensor, anomaly: Anomaly, at: int) -> float:
        if anomaly.kind is AnomalyKind.FLATLINE:
            value = self._right(key, sensor, anomaly.start)
        elif anomaly.kind is AnomalyKind.OUT_OF_RANGE:
            value = sensor.high + 0.15 * (sensor.high - sensor.low) + sensor.noise * normal(self._seed, key, 3, at)
        else:
            value = self._right(key, sensor, at) + anomaly.size * math.hypot(sensor.noise, sensor.wander)
        return round(value, sensor.decimals)

    def _scheduled(self, key: int, sensor: Sensor, window: int) -> Anomaly:
        kinds = list(AnomalyKind)
        kind = kinds[mixed(self._seed, key, 4, window) % len(kinds)]
        # From a tenth to eight tenths of the window: it begins and ends inside, away from its neighbours.
        start = round((window + 0.1 + 0.7 * uniform(self._seed, key, 5, window)) * self._every)
        return self._anomaly(key, sensor, kind, start)

    def _anomaly(self, key: int, sensor: Sensor, kind: AnomalyKind, start: int) -> Anomaly:
        least, most = SIZES.get(kind, (0.0, 0.0))
        size = least + (most - least) * uniform(self._seed, key, 6, start)
        sign = 1.0 if uniform(self._seed, key, 7, start) < 0.5 else -1.0
        lasts = round(LASTS[kind] * MICROSECONDS * max(1.0, 1.0 / self._grid.rate))
        return Anomaly(sensor.source, sensor.category, kind, start, start + lasts, sign * size)
