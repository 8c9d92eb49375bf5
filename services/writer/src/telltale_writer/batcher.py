"""When a batch is full: by size or by age. Pure; the clock is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from telltale_writer.decode import DecodedDelivery


@dataclass
class Batcher:
    """Collects deliveries until they hold enough readings, or the first has waited long enough."""

    max_rows: int
    max_age: float
    """Seconds."""
    _deliveries: list[DecodedDelivery] = field(default_factory=list)
    _rows: int = 0
    _deadline: float = 0.0

    def add(self, delivery: DecodedDelivery, now: float) -> None:
        """Take one more delivery; ``now`` in seconds of any steady clock."""
        if not self._deliveries:
            self._deadline = now + self.max_age
        self._deliveries.append(delivery)
        self._rows += len(delivery) + len(delivery.dead)

    def wait(self, now: float) -> float | None:
        """Seconds until the batch is due: 0 when it is, None while it is empty."""
        if not self._deliveries:
            return None
        if self._rows >= self.max_rows:
            return 0.0
        return max(0.0, self._deadline - now)

    def take(self) -> Sequence[DecodedDelivery]:
        """The batch; a new one begins."""
        batch, self._deliveries, self._rows = self._deliveries, [], 0
        return batch
