"""What the generator says about its work: in heartbeats, and to Prometheus."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from telltale_generator.publisher import ReadingPublisher


class Figures:
    """Numbers worth a glance on the status page."""

    def __init__(self, publisher: ReadingPublisher) -> None:
        self._publisher = publisher
        self._at = time.monotonic()
        self._published = 0

    def __call__(self) -> dict[str, float]:
        """The numbers now; the rate is that since the last call."""
        publisher, now = self._publisher, time.monotonic()
        rate = (publisher.published - self._published) / max(now - self._at, 1e-3)
        self._at, self._published = now, publisher.published
        return {
            "readings_per_second": round(rate, 1),
            "dropped": publisher.dropped,
            "retries": publisher.retries,
            "live_missed": publisher.live_missed,
            "spool_bytes": publisher.spool_bytes,
            "spool_deliveries": publisher.spool_deliveries,
        }


class _Metrics(Collector):
    def __init__(self, publisher: ReadingPublisher) -> None:
        self._publisher = publisher

    def collect(self) -> Iterable[Metric]:
        publisher, name = self._publisher, "telltale_generator"
        counters = {
            "readings_published": (publisher.published, "Readings that got a number."),
            "readings_confirmed": (publisher.confirmed, "Readings up to the first that is not confirmed."),
            "readings_dropped": (publisher.dropped, "Readings given up because the spool was full."),
            "retries": (publisher.retries, "Deliveries that were refused or not answered, and sent again."),
            "live_missed": (publisher.live_missed, "Fresh deliveries that did not reach the live stream."),
        }
        gauges = {
            "spool_bytes": (publisher.spool_bytes, "Bytes of the deliveries that wait in the spool."),
            "spool_deliveries": (publisher.spool_deliveries, "Deliveries that wait in the spool."),
        }
        yield from (CounterMetricFamily(f"{name}_{key}", text, value) for key, (value, text) in counters.items())
        yield from (GaugeMetricFamily(f"{name}_{key}", text, value) for key, (value, text) in gauges.items())


@contextmanager
def metrics_of(publisher: ReadingPublisher) -> Iterator[None]:
    """Show the publisher's counters under ``/metrics`` for as long as the block runs."""
    collector = _Metrics(publisher)
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)
