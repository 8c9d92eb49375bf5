"""The detector's judgement of one reading."""

import msgspec


class AnomalyDetected(msgspec.Struct, tag_field="schema", tag="anomaly_detected/1", frozen=True, kw_only=True):
    """One reading that the detector holds to be unusual.

    (source, category, observed_at, detector) identifies it: the same anomaly sent twice is stored once.
    """

    source: str
    category: str
    unit: str | None
    observed_at: int
    """When the judged reading was measured, µs since 1970-01-01 UTC."""
    value: float
    score: float
    """How unusual: robust standard deviations from the expected value, or what is worth as much."""
    expected_low: float
    expected_high: float
    kind: str
    """``spike``, ``level_shift``, ``variance``, ``season``, ``flatline``, ``out_of_range`` or another word that the
    detector documents."""
    detector: str
    version: str
    explanation: str
    """One sentence for a person: what was seen and what was expected."""
    detected_at: int
    """When the detector judged it, µs since 1970-01-01 UTC."""
