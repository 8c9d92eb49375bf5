"""What the writer measures."""

import time
from collections import deque
from collections.abc import Sequence

import numpy as np
from prometheus_client import Counter, Gauge, Histogram

from telltale_shared.store.records import Floats
from telltale_writer.decode import DecodedDelivery
from telltale_writer.ingest import Counts

STORED = Counter("telltale_readings_stored_total", "Readings stored as records")
REPEATED = Counter("telltale_readings_repeated_total", "Readings whose record was there before, with the same value")
REDELIVERED = Counter("telltale_readings_redelivered_total", "Readings in deliveries that were settled before")
DEAD = Counter("telltale_readings_dead_total", "Readings that became dead letters", ["reason"])
BATCH_SECONDS = Histogram("telltale_batch_seconds", "Time from a batch being ready to its commit")
BATCH_ROWS = Histogram(
    "telltale_batch_readings", "Readings in a batch", buckets=(1, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000)
)
HELD = Gauge("telltale_batch_held_seconds", "How long the current batch has been held back by failing transactions")


class StoredAges:
    """How long ago readings were measured when they were committed: what a screen cannot see by itself.

    Of a large batch the newest readings stand for all, so that this costs nothing beside storing them.
    """

    DELIVERIES, READINGS, KEPT = 50, 50, 400
    """Of a batch, of a delivery, and of deliveries between two looks at most."""

    def __init__(self) -> None:
        self._ages: deque[Floats] = deque(maxlen=self.KEPT)

    def take(self, batch: Sequence[DecodedDelivery], now: int) -> None:
        """Note the ages of a batch that was committed at ``now`` (µs since 1970-01-01 UTC)."""
        for delivery in batch[-self.DELIVERIES :]:
            if len(delivery):
                self._ages.append((now - delivery.observed_at[-self.READINGS :]) / 1e3)

    def figures(self) -> dict[str, float]:
        """Numbers for the heartbeat: median and 95th percentile since the last call, in ms; none without readings."""
        if not self._ages:
            return {}
        p50, p95 = np.percentile(np.concatenate(self._ages), (50, 95))
        self._ages.clear()
        return {"stored_p50_ms": round(float(p50), 1), "stored_p95_ms": round(float(p95), 1)}


class Rate:
    """Readings stored per second since the last look, and how old they were by then."""

    def __init__(self) -> None:
        self.ages = StoredAges()
        self._stored = 0
        self._looked_at = time.monotonic()
        self._total = 0

    def count(self, counts: Counts) -> None:
        """Take over the counts of one committed batch, here and in the metrics."""
        self._stored += counts.stored
        self._total += counts.stored
        STORED.inc(counts.stored)
        REPEATED.inc(counts.repeated)
        REDELIVERED.inc(counts.redelivered)
        for reason, count in counts.dead.items():
            DEAD.labels(reason).inc(count)

    def figures(self) -> dict[str, float]:
        """Numbers for the heartbeat: stored per second and ages since the last call, and stored since the start."""
        now = time.monotonic()
        elapsed, self._looked_at = now - self._looked_at, now
        stored, self._stored = self._stored, 0
        per_second = round(stored / elapsed, 1) if elapsed else 0.0
        return {"stored_per_second": per_second, "stored": float(self._total), **self.ages.figures()}
