"""When a batch is full: by size or by age. Pure; the clock is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from telltale_writer.decode import DecodedDelivery

BEHIND_SECONDS = 1.0
"""A batch that is older when its turn comes had to wait for the one before it."""


@dataclass(frozen=True)
class Batch:
    """Deliveries that are stored in one transaction."""

    deliveries: Sequence[DecodedDelivery]
    full: bool
    """Whether its size closed it: more came than in the time that a batch may take."""
    since: float
    """When the first of its deliveries came, on the clock of the :class:`Batcher`."""

    def is_behind(self, now: float) -> bool:
        """Whether the writer does not keep up, as it begins to store this batch ``now``."""
        return self.full or now - self.since >= BEHIND_SECONDS


@dataclass
class Batcher:
    """Collects deliveries until they are enough, or hold enough readings, or the first has waited long enough."""

    max_rows: int
    max_deliveries: int
    max_age: float
    """Seconds."""
    _deliveries: list[DecodedDelivery] = field(default_factory=list)
    _rows: int = 0
    _since: float = 0.0

    def add(self, delivery: DecodedDelivery, now: float) -> None:
        """Take one more delivery; ``now`` in seconds of any steady clock."""
        if not self._deliveries:
            self._since = now
        self._deliveries.append(delivery)
        self._rows += len(delivery) + len(delivery.dead)

    @property
    def _is_full(self) -> bool:
        return self._rows >= self.max_rows or len(self._deliveries) >= self.max_deliveries

    def wait(self, now: float) -> float | None:
        """Seconds until the batch is due: 0 when it is, None while it is empty."""
        if not self._deliveries:
            return None
        if self._is_full:
            return 0.0
        return max(0.0, self._since + self.max_age - now)

    def take(self) -> Batch:
        """The batch; a new one begins."""
        batch = Batch(self._deliveries, self._is_full, self._since)
        self._deliveries, self._rows = [], 0
        return batch
