"""What every source is, and the grid of times that regular ones measure at."""

from typing import NamedTuple, Protocol

MICROSECONDS = 1_000_000
CATCH_UP = 10 * MICROSECONDS
"""A source that was held up yields what fell due in this time, and leaves out what lies before it."""


class Reading(NamedTuple):
    """One measured value."""

    source: str
    category: str
    unit: str | None
    observed_at: int
    """µs since 1970-01-01 UTC."""
    value: float


class SeriesName(NamedTuple):
    """One series that a source yields."""

    source: str
    category: str
    unit: str | None


class Source(Protocol):
    """Yields readings as they fall due. All times are µs since 1970-01-01 UTC."""

    @property
    def series(self) -> list[SeriesName]:
        """The series that it yields."""
        ...

    @property
    def finished(self) -> bool:
        """Whether it will never yield another reading."""
        ...

    def begin(self, now: int) -> None:
        """Start, or go on after a pause: what would have fallen due before ``now`` is left out."""
        ...

    def due(self, now: int) -> list[Reading]:
        """The readings that fell due since the last call, up to and including ``now``, oldest first."""
        ...

    def next_due(self, now: int) -> int | None:
        """When the next reading falls due, later than ``now``; None when there is none."""
        ...

    def set_rate(self, rate: float) -> None:
        """Measure ``rate`` times a second from now on, where the source decides that itself."""
        ...


class Silence:
    """The source that yields nothing, for a generator that only takes posted readings."""

    series: list[SeriesName] = []  # noqa: RUF012 - nothing is ever added to it
    finished = False

    def begin(self, now: int) -> None:
        """Nothing to do."""

    def due(self, now: int) -> list[Reading]:
        """Nothing."""
        return []

    def next_due(self, now: int) -> int | None:
        """Never."""
        return None

    def set_rate(self, rate: float) -> None:
        """Nothing to do."""


class Grid:
    """Instants at whole multiples of 1/rate since 1970: the same ones in every process and after every restart."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._last = 0

    def begin(self, now: int) -> None:
        """Leave out every instant up to ``now``."""
        self._last = max(self._last, now)

    def due(self, now: int) -> list[int]:
        """The instants since the last call, up to and including ``now``.

        Each is given once, even if the clock jumps back.
        """
        begin = max(self._last, now - CATCH_UP)
        instants = [self._at(k) for k in range(self._index(begin) + 1, self._index(now) + 1)]
        self._last = max(self._last, now)
        return instants

    def next_due(self, now: int) -> int:
        """The first instant later than ``now`` that was not given yet."""
        return self._at(self._index(max(now, self._last)) + 1)

    def at_rate(self, rate: float) -> "Grid":
        """The grid of another rate, from where this one has come to."""
        grid = Grid(rate)
        grid.begin(self._last)
        return grid

    def _at(self, index: int) -> int:
        return round(index * MICROSECONDS / self.rate)

    def _index(self, instant: int) -> int:
        """Index of the last instant at or before ``instant``."""
        index = int(instant * self.rate / MICROSECONDS)
        while self._at(index) > instant:
            index -= 1
        while self._at(index + 1) <= instant:
            index += 1
        return index
