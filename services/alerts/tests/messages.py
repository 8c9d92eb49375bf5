"""Messages of the live stream as tests write them."""

from typing import Any

from telltale_alerts.evaluation.rules import SECOND, Kind, Rule, Severity
from telltale_shared.contracts import LEDGER_MISSING, AnomalyDetected, Heartbeat, ReadingBatch, SeriesKey

START = 1_795_468_000 * SECOND
"""µs since 1970-01-01 UTC."""


def at(seconds: float) -> int:
    """So many seconds after the start."""
    return START + round(seconds * SECOND)


def readings(
    seconds: float,
    *values: float,
    source: str = "press-1",
    category: str = "temperature",
    measured: float | None = None,
) -> ReadingBatch:
    """A delivery of one series, a reading a second, the last one ``measured`` when it is published."""
    last = at(seconds if measured is None else measured)
    return ReadingBatch(
        producer="p",
        service="generator",
        first=1,
        confirmed=0,
        published_at=at(seconds),
        series=[SeriesKey(source, category, "°C")],
        index=[0] * len(values),
        observed_at=[last - SECOND * (len(values) - 1 - n) for n in range(len(values))],
        value=list(values),
    )


def heartbeat(seconds: float, service: str = "generator", *, missing: float | None = None, **fields: Any) -> Heartbeat:
    """A heartbeat; of the writer, with what its ledger misses."""
    return Heartbeat(
        **{
            "service": service,
            "instance": f"{service}@host:1",
            "version": "1",
            "started_at": START,
            "at": at(seconds),
            "health": "ok",
            "memory_bytes": 1,
            "figures": {} if missing is None else {LEDGER_MISSING: missing},
            **fields,
        }
    )


def anomaly(seconds: float, score: float = 9.0, *, kind: str = "spike", found: float | None = None) -> AnomalyDetected:
    """An anomaly of ``press-1``, ``found`` later than it was measured."""
    return AnomalyDetected(
        source="press-1",
        category="temperature",
        unit="°C",
        observed_at=at(seconds),
        value=80.0,
        score=score,
        expected_low=60.0,
        expected_high=63.0,
        kind=kind,
        detector="robust",
        version="1",
        explanation="80 °C lies far above the expected 60 to 63 °C.",
        detected_at=at(seconds if found is None else found),
    )


def rule(kind: Kind = Kind.THRESHOLD, **fields: Any) -> Rule:
    """A rule; by default one for values above 90."""
    basic = {"id": 1, "revision": 1, "name": "Too hot", "kind": kind, "severity": Severity.WARNING, "threshold": 90.0}
    return Rule(**{**basic, **fields})
