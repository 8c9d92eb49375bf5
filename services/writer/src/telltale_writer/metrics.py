"""What the writer measures."""

import time

from prometheus_client import Counter, Gauge, Histogram

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


class Rate:
    """Readings stored per second since the last look."""

    def __init__(self) -> None:
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
        """Numbers for the heartbeat: stored per second since the last call, and stored since the start."""
        now = time.monotonic()
        elapsed, self._looked_at = now - self._looked_at, now
        stored, self._stored = self._stored, 0
        return {"stored_per_second": round(stored / elapsed, 1) if elapsed else 0.0, "stored": float(self._total)}
