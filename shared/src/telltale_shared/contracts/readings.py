"""The delivery of readings: many readings in columns."""

import msgspec


class SeriesKey(msgspec.Struct, array_like=True, frozen=True):
    """What identifies a series on the wire, with the unit its values are in."""

    source: str
    category: str
    unit: str | None = None


class ReadingBatch(msgspec.Struct, tag_field="schema", tag="reading_batch/1", frozen=True, kw_only=True):
    """One delivery: the readings ``first … first + count - 1`` of one producer, in columns of equal length.

    A delivery is never cut differently when it is sent again: the bytes are the same.
    """

    producer: str
    """Identity of the running publisher; a restart makes a new one."""
    service: str
    """Name of the service instance that publishes, e.g. ``generator``."""
    first: int
    """Number of the first reading; numbers start at 1 and are never reused."""
    confirmed: int
    """Every number up to this one was confirmed by the broker before this delivery was first published."""
    published_at: int
    """When the delivery was first published, µs since 1970-01-01 UTC."""
    series: list[SeriesKey]
    """The series that this delivery mentions."""
    index: list[int]
    """Per reading: its position in ``series``."""
    observed_at: list[int]
    """Per reading: when it was measured, µs since 1970-01-01 UTC."""
    value: list[float]
    """Per reading: the measured value, in the unit of its series."""

    @property
    def count(self) -> int:
        """How many numbers this delivery covers."""
        return len(self.value)

    @property
    def last(self) -> int:
        """Number of the last reading."""
        return self.first + len(self.value) - 1
