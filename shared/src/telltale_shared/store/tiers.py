"""The tiers of rollups: how wide a bucket is, and which tables hold it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Tier:
    """One tier. The tables hold a row per series and bucket: its numbers, and its sketch."""

    table: str
    sketches: str
    seconds: int

    @property
    def width(self) -> int:
        """µs of a bucket."""
        return self.seconds * _MICROSECONDS

    def bucket_of(self, at: datetime) -> datetime:
        """The beginning of the bucket that holds the naive UTC instant ``at``."""
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(seconds=(at - midnight) // timedelta(seconds=self.seconds) * self.seconds)


MINUTE = Tier("rollups_minute", "sketches_minute", 60)
HOUR = Tier("rollups_hour", "sketches_hour", 3_600)
DAY = Tier("rollups_day", "sketches_day", 86_400)
TIERS = (MINUTE, HOUR, DAY)
