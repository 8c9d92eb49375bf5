"""Loading a store: records by day, and with each day the rollups and sketches of its readings."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from telltale_shared.database import create_engine
from telltale_shared.instants import instant
from telltale_shared.store.partitions import PartitionedTable, ensure_partitions
from telltale_shared.store.tiers import TIERS
from telltale_shared.testing import Servers

from .readings import Block, Readings
from .rollup_rows import rollups_of, sketches_of
from .tables import Client, RowFile

BLOCKS_AT_ONCE = 20
"""Blocks in one insert into DuckDB."""
_KEPT_DAYS = 36_500

_RECORDS = pa.schema([("series_id", pa.int32()), ("observed_at", pa.timestamp("us")), ("value", pa.float64())])
_ROLLUPS = pa.schema(
    [
        ("series_id", pa.int32()),
        ("bucket", pa.timestamp("s")),
        ("count", pa.int64()),
        *((name, pa.float64()) for name in ("total", "squares", "minimum", "maximum")),
    ]
)
_SKETCHES = pa.schema([("series_id", pa.int32()), ("bucket", pa.timestamp("s")), ("bins", pa.string())])


def migrate(servers: Servers, database: str) -> None:
    """Bring ``database`` to the newest migration."""
    variables = {
        "WRITER_MIGRATION_DATABASE_URL": f"{servers.mariadb_url}{database}",
        "WRITER_MIGRATION_DATABASE_PASSWORD": servers.mariadb_password,
    }
    subprocess.run([sys.executable, "-m", "telltale_writer.migrate"], env={**os.environ, **variables}, check=True)


@dataclass
class Loader:
    """Loads ``readings`` into the empty migrated database of ``client`` and into ``duckdb_path``."""

    readings: Readings
    client: Client
    work: Path
    """Folder for files on their way: about 1.5 GB where days are whole."""
    duckdb_path: Path
    _origins: dict[int, float] = field(default_factory=dict)
    _anomalies: list[str] = field(default_factory=list)
    _latest: dict[int, tuple[int, float]] = field(default_factory=dict)
    _stored: int = 0

    def load(self) -> int:
        """Load everything.

        Returns:
            How many records there are.
        """
        self.client.run("ALTER TABLE records DROP KEY observed_at")
        with duckdb.connect(self.duckdb_path, config={"threads": 1}) as duck, ThreadPoolExecutor(1) as server:
            duck.execute("CREATE TABLE records (series_id INTEGER, observed_at TIMESTAMP, value DOUBLE)")
            duck.execute("CREATE TABLE series (id INTEGER, source VARCHAR, category VARCHAR, unit VARCHAR)")
            before: Future[None] | None = None
            for day in range(len(self.readings.days)):
                files = self._write_day(day, duck)
                if before is not None:
                    before.result()
                before = server.submit(self._load_day, files)
            if before is not None:
                before.result()
            self._load_series(duck)
        # In one sort instead of row by row.
        self._step("key on observed_at", "ALTER TABLE records ADD KEY observed_at (observed_at)")
        tables = ", ".join(["records", "series", *(name for t in TIERS for name in (t.table, t.sketches))])
        self._step("statistics", f"ANALYZE TABLE {tables}")
        return self._stored

    def _write_day(self, day: int, duck: duckdb.DuckDBPyConnection) -> list[tuple[RowFile, str, str]]:
        began = time.monotonic()
        records = RowFile(self.work / f"records-{day}.tsv", _RECORDS)
        rollups = {tier: RowFile(self.work / f"{tier.table}-{day}.tsv", _ROLLUPS) for tier in TIERS}
        sketches = {tier: RowFile(self.work / f"{tier.sketches}-{day}.tsv", _SKETCHES) for tier in TIERS}
        waiting: list[pa.Table] = []
        for block in self.readings.blocks(day):
            self._remember(block)
            waiting.append(
                records.append(
                    {
                        "series_id": np.full(len(block), block.series_id),
                        "observed_at": block.observed_at.astype("datetime64[us]"),
                        "value": block.value,
                    }
                )
            )
            for tier in TIERS:
                rows = rollups_of(block, tier, self._origins[block.series_id])
                rollups[tier].append(
                    {
                        "series_id": np.full(len(rows.bucket), block.series_id),
                        "bucket": (rows.bucket // 1_000_000).astype("datetime64[s]"),
                        "count": rows.count,
                        "total": rows.total,
                        "squares": rows.squares,
                        "minimum": rows.minimum,
                        "maximum": rows.maximum,
                    }
                )
                bucket, bins = sketches_of(block, tier)
                sketches[tier].append(
                    {
                        "series_id": np.full(len(bucket), block.series_id),
                        "bucket": (bucket // 1_000_000).astype("datetime64[s]"),
                        "bins": bins,
                    }
                )
            if len(waiting) == BLOCKS_AT_ONCE or block.series_id == self.readings.series:
                _append_to_duckdb(duck, pa.concat_tables(waiting))
                waiting.clear()
        files = [(records, "records", "(series_id, observed_at, value)")]
        for tier in TIERS:
            columns = "(series_id, bucket, `count`, total, total_squares, minimum, maximum)"
            files.append((rollups[tier], tier.table, columns))
            files.append((sketches[tier], tier.sketches, "(series_id, bucket, @bins) SET bins = UNHEX(@bins)"))
        for file, _, _ in files:
            file.close()
        print(f"  day {day + 1} of {len(self.readings.days)} written in {time.monotonic() - began:.0f} s", flush=True)
        return files

    def _load_day(self, files: list[tuple[RowFile, str, str]]) -> None:
        began = time.monotonic()
        for file, table, columns in files:
            self.client.load(file.path, table, columns)
        print(f"  loaded {files[0][0].path.stem} in {time.monotonic() - began:.0f} s", flush=True)

    def _remember(self, block: Block) -> None:
        """What is told apart from the records themselves: the first value, the last one, the anomalies."""
        self._origins.setdefault(block.series_id, float(block.value[0]))
        self._latest[block.series_id] = int(block.observed_at[-1]), float(block.value[-1])
        self._stored += len(block)
        for place, position in enumerate(block.spikes.tolist()):
            at = instant(int(block.observed_at[position])).isoformat(" ")
            value = float(block.value[position])
            # One in eight was looked at and is none.
            verdict = "'dismissed'" if place == 0 and block.series_id % 2 == 0 else "NULL"
            self._anomalies.append(
                f"({block.series_id}, '{at}', 'robust', '1', 'spike', {value!r}, 9, {value / 2!r}, {value / 1.5!r}, "
                f"'far from what is usual here', '{at}', {verdict})"
            )

    def _load_series(self, duck: duckdb.DuckDBPyConnection) -> None:
        began = instant(self.readings.begins).isoformat(" ")
        rows = []
        latest = []
        for series_id, origin in self._origins.items():
            source, category, unit = self.readings.name(series_id)
            rows.append(f"({series_id}, '{source}', '{category}', '{unit}', {origin!r}, '{began}')")
            at, value = self._latest[series_id]
            latest.append(f"({series_id}, '{instant(at).isoformat(' ')}', {value!r})")
            duck.execute("INSERT INTO series VALUES (?, ?, ?, ?)", [series_id, source, category, unit])
        self.client.run(f"INSERT INTO series (id, source, category, unit, origin, created_at) VALUES {','.join(rows)}")
        self.client.run(f"INSERT INTO series_latest (series_id, observed_at, value) VALUES {','.join(latest)}")
        for some in _pieces(self._anomalies, 1_000):
            self.client.run(
                "INSERT INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low, "
                f"expected_high, explanation, detected_at, verdict) VALUES {','.join(some)}"
            )

    def _step(self, what: str, statement: str) -> None:
        began = time.monotonic()
        self.client.run(statement)
        print(f"  {what}: {time.monotonic() - began:.0f} s", flush=True)


def _append_to_duckdb(duck: duckdb.DuckDBPyConnection, rows: pa.Table) -> None:
    duck.register("rows", rows)
    duck.execute("INSERT INTO records SELECT * FROM rows")
    duck.unregister("rows")


def _pieces(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[begin : begin + size] for begin in range(0, len(items), size))


def make_partitions(servers: Servers, database: str, readings: Readings) -> None:
    """Partitions as writers that ran all that time would have made them."""

    async def make() -> None:
        engine = create_engine(f"{servers.mariadb_url}{database}", servers.mariadb_password)
        records = PartitionedTable("records", _KEPT_DAYS)
        for day in [readings.days[0] + timedelta(days=1), *readings.days, datetime.now(UTC)]:
            await ensure_partitions(engine, records, today=day.date())
        await engine.dispose()

    asyncio.run(make())
