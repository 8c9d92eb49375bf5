"""Comparing a loaded store with its own raw rows: rollups, sketches and DuckDB, on a sample."""

import random

import duckdb

from telltale_shared.store.sketches import Sketch
from telltale_shared.store.tiers import TIERS, Tier

from .tables import Client

SERIES = 3
SKETCHES = 2_000

_DIFFERENT = """
SELECT COUNT(*) FROM {table} kept LEFT JOIN (
  SELECT series_id, FROM_UNIXTIME(UNIX_TIMESTAMP(observed_at) DIV {width} * {width}) AS bucket, COUNT(*) AS n,
         SUM(value) AS total, SUM(POW(value - series.origin, 2)) AS squares, MIN(value) AS low, MAX(value) AS high
  FROM records JOIN series ON series.id = series_id WHERE series_id = {series_id} GROUP BY bucket
) raw ON raw.bucket = kept.bucket
WHERE kept.series_id = {series_id} AND NOT (kept.`count` = raw.n AND kept.minimum = raw.low AND kept.maximum = raw.high
  AND ABS(kept.total - raw.total) <= 1e-9 * (1 + ABS(raw.total)) AND ABS(kept.total_squares - raw.squares)
  <= 1e-9 * (1 + raw.squares)) IS TRUE
"""


def check_store(client: Client, duck: duckdb.DuckDBPyConnection, records: int, series: int, seed: int = 0) -> None:
    """Compare a few series as a whole.

    Raises:
        AssertionError: something that was computed differs from what the raw rows say.
    """
    counts = [f"SELECT SUM(`count`) FROM {tier.table}" for tier in TIERS]
    for statement in counts:
        assert int(client.run(statement)) == records, statement
    found = duck.execute("SELECT COUNT(*) FROM records").fetchone()
    assert found == (records,), found
    for series_id in random.Random(seed).sample(range(1, series + 1), SERIES):
        for tier in TIERS:
            different = client.run(_DIFFERENT.format(table=tier.table, width=tier.seconds, series_id=series_id))
            assert int(different) == 0, f"{tier.table} of series {series_id} differs from the records"
            _check_sketches(client, tier, series_id)


def _check_sketches(client: Client, tier: Tier, series_id: int) -> None:
    """That the bins of a series hold as many readings as its rollups, bucket by bucket."""
    rows = client.run(
        f"SELECT kept.`count`, HEX(bins) FROM {tier.table} kept LEFT JOIN {tier.sketches} USING (series_id, "
        f"bucket) WHERE series_id = {series_id} LIMIT {SKETCHES}"
    )
    for row in rows.splitlines():
        count, digits = row.split("\t")
        assert Sketch.from_blobs([bytes.fromhex(digits)]).count == int(count), f"sketches of series {series_id}"
