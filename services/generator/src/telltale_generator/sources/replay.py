"""Replays a CSV file as if it were happening now: in the order of its times, at a chosen speed."""

from array import array
from pathlib import Path

from telltale_generator.sources.rows import BadField, BadRow, BadRows, csv_rows, reading
from telltale_generator.sources.source import Reading, SeriesName

ROWS_MAX = 2_000_000
"""Rows of a file at most: they are held in memory, 20 bytes each."""
AT_ONCE = 10_000
"""Readings that one call yields at most."""


class Recording:
    """The readings of a file, in the order of their times, in columns."""

    def __init__(self, rows: list[tuple[int, int, float]], series: list[SeriesName]) -> None:
        rows.sort()
        self.series = series
        self.observed_at = array("q", (row[0] for row in rows))
        self.index = array("i", (row[1] for row in rows))
        self.value = array("d", (row[2] for row in rows))

    @classmethod
    def read(cls, file: Path) -> "Recording":
        """Read a whole file. It takes seconds for a large one: call it in a thread.

        Raises:
            BadRows: a line cannot be replayed, the file is empty or too long.
            OSError: it cannot be read.
        """
        rows: list[tuple[int, int, float]] = []
        table: dict[SeriesName, int] = {}
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                for place, row in csv_rows(lines):
                    try:
                        if isinstance(row, BadField):
                            raise row
                        one = reading(row, None)
                    except BadField as error:
                        raise BadRows([BadRow(place, error.field, str(error))]) from error
                    if len(rows) == ROWS_MAX:
                        raise BadRows([BadRow(place, "file", f"has more than {ROWS_MAX} rows")])
                    key = table.setdefault(SeriesName(one.source, one.category, one.unit), len(table))
                    rows.append((one.observed_at, key, one.value))
        except UnicodeDecodeError as error:
            raise BadRows([BadRow("file", "csv", f"is not UTF-8 text: {error}")]) from error
        if not rows:
            raise BadRows([BadRow("file", "csv", "has no reading")])
        return cls(rows, list(table))


class ReplaySource:
    """Yields a recording once: the time between two readings is that of the file divided by the speed.

    Args:
        recording: what to replay.
        speed: how many times faster than it was measured.
    """

    def __init__(self, recording: Recording, speed: float = 1.0) -> None:
        self._recording = recording
        self._speed = speed
        self._position = 0
        self._began_at = 0
        self._began_with = recording.observed_at[0]

    @property
    def series(self) -> list[SeriesName]:
        """The series of the file."""
        return self._recording.series

    @property
    def finished(self) -> bool:
        """Whether the file has been replayed to its end."""
        return self._position == len(self._recording.value)

    @property
    def position(self) -> int:
        """How many of its rows have been replayed."""
        return self._position

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self._recording.value)

    @property
    def speed(self) -> float:
        """How many times faster than it was measured."""
        return self._speed

    def begin(self, now: int) -> None:
        """Go on with the next row, ``now``."""
        self._began_at = now
        if not self.finished:
            self._began_with = self._recording.observed_at[self._position]

    def due(self, now: int) -> list[Reading]:
        """The rows whose turn has come, with the times at which it came."""
        recording = self._recording
        readings: list[Reading] = []
        while not self.finished and len(readings) < AT_ONCE and (at := self._shifted(self._position)) <= now:
            name = recording.series[recording.index[self._position]]
            readings.append(Reading(*name, at, recording.value[self._position]))
            self._position += 1
        return readings

    def next_due(self, now: int) -> int | None:
        """When the turn of the next row comes; at once when it has come already."""
        return None if self.finished else max(self._shifted(self._position), now)

    def set_rate(self, rate: float) -> None:
        """The file has its own times, which the speed stretches."""

    def set_speed(self, speed: float, now: int) -> None:
        """Replay at another speed from ``now`` on."""
        self.begin(now)
        self._speed = speed

    def _shifted(self, position: int) -> int:
        return self._began_at + round((self._recording.observed_at[position] - self._began_with) / self._speed)
