"""What the detector expected, for screens to draw."""

import msgspec

from telltale_shared.contracts.readings import SeriesKey


class ExpectedRanges(msgspec.Struct, tag_field="schema", tag="expected_ranges/1", frozen=True, kw_only=True):
    """The range in which the detector expected the newest reading of each of some series, in columns of equal length.

    For screens only: it is told once a second at most, and what nobody saw is not told again.
    """

    detector: str
    at: int
    """When it was told, µs since 1970-01-01 UTC."""
    series: list[SeriesKey]
    observed_at: list[int]
    """Per series: when the reading was measured, µs since 1970-01-01 UTC."""
    low: list[float]
    high: list[float]
