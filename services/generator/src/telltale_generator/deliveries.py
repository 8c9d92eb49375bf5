"""Cutting readings into deliveries: who publishes them, how many travel together, and the columns they travel in."""

import secrets
from collections.abc import Iterator, Sequence

from telltale_generator.sources import Reading
from telltale_shared.contracts import ReadingBatch, SeriesKey

DELIVERY_READINGS = 1_000
"""Readings in one delivery at most."""


def new_producer(service: str, now: int) -> str:
    """The identity of a producer that starts ``now`` (µs since 1970-01-01 UTC); later ones sort behind earlier ones."""
    return f"{service}-{now // 1_000:011x}{secrets.token_hex(4)}"


def cut(readings: Sequence[Reading], size: int = DELIVERY_READINGS) -> Iterator[Sequence[Reading]]:
    """Runs of at most ``size`` readings."""
    for begin in range(0, len(readings), size):
        yield readings[begin : begin + size]


def batch_of(
    readings: Sequence[Reading], *, producer: str, service: str, first: int, confirmed: int, published_at: int
) -> ReadingBatch:
    """The delivery of ``readings``, in columns; its arguments are the fields of the contract."""
    table: dict[SeriesKey, int] = {}
    index = [table.setdefault(SeriesKey(r.source, r.category, r.unit), len(table)) for r in readings]
    return ReadingBatch(
        producer=producer,
        service=service,
        first=first,
        confirmed=confirmed,
        published_at=published_at,
        series=list(table),
        index=index,
        observed_at=[r.observed_at for r in readings],
        value=[r.value for r in readings],
    )
