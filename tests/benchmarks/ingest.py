"""How fast the writer empties its queue, beside the `mariadb` client's LOAD DATA into the same table.

Both run against the same private servers, at the same durability (a flush at every commit), turn by turn; the
ratio is the median of those of the rounds, since a machine that others use is not as fast in each. The queue is
filled while the writer is down; the clock runs from its first committed batch to its last. With --upkeep each round
also empties the queue with a writer that keeps no rollups, and compares what a reading costs in seconds of processor,
of writer and server together. With --backlog the queue is filled with many readings once, to watch the writer's memory.

Usage: python tests/benchmarks/ingest.py [--readings 1000000] [--rounds 3] [--series 100] [--per-delivery 1000]
       [--upkeep] [--backlog 10000000]
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
from sqlalchemy import text

from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.contracts import ReadingBatch, SeriesKey, encode, schema_of
from telltale_shared.database import create_engine
from telltale_shared.store.partitions import PartitionedTable, ensure_partitions
from telltale_shared.system_events import now_us
from telltale_shared.testing import Servers
from telltale_shared.topology import store_readings, topology

ROOT = Path(__file__).resolve().parents[2]
STACK = (sys.executable, str(ROOT / "deploy/native/stack.py"))
OPTIONS = ("--run-dir", str(ROOT / ".run/bench"), "--port-offset", "auto")
DATABASE = "bench_ingest"
VHOST = "bench"
WRITER_PORT = 19_804
PER_DELIVERY = 1_000
SECOND = 1_000_000
BASELINE = "records_loaded"
TABLES = (
    "records series series_latest rollups_minute rollups_hour rollups_day sketches_minute sketches_hour sketches_day "
    "producers deliveries producer_days"
)
WRITER = ("-m", "telltale_writer")
WRITER_WITHOUT_ROLLUPS = (str(Path(__file__).with_name("writer_without_rollups.py")),)


@dataclass(frozen=True)
class Load:
    """What is measured with: ``readings`` at 1 Hz over ``series`` series, in the order of time."""

    readings: int
    series: int
    begins: int
    """µs since 1970-01-01 UTC of the oldest reading."""
    values: list[float]
    per_delivery: int

    @classmethod
    def of(cls, readings: int, series: int, per_delivery: int = PER_DELIVERY) -> "Load":
        """A load whose newest reading is a minute old: an hourly wave with noise, to two decimals."""
        n = np.arange(readings)
        waves = 20 + 5 * np.sin(2 * np.pi * (n // series) / 3_600 + n % series)
        values = np.round(waves + np.random.default_rng(1).normal(0, 0.5, readings), 2)
        begins = now_us() // SECOND * SECOND - (readings // series + 60) * SECOND
        return cls(readings, series, begins, values.tolist(), per_delivery)

    def deliveries(self, producer: str) -> Iterator[tuple[ReadingBatch, bytes]]:
        """The deliveries, as a generator service would cut them."""
        keys = [SeriesKey(f"bench-{n // 4}", f"category-{n % 4}", "u") for n in range(self.series)]
        for start in range(0, self.readings, self.per_delivery):
            numbers = range(start, min(start + self.per_delivery, self.readings))
            batch = ReadingBatch(
                producer=producer,
                service="bench",
                first=start + 1,
                confirmed=start,
                published_at=now_us(),
                series=keys,
                index=[n % self.series for n in numbers],
                observed_at=[self.begins + n // self.series * SECOND for n in numbers],
                value=self.values[start : start + self.per_delivery],
            )
            yield batch, encode(batch)

    def write_csv(self, path: Path) -> None:
        """The same rows as a file for LOAD DATA, with series ids as the writer would give them."""
        with path.open("w") as file:
            for n in range(self.readings):
                at = datetime.fromtimestamp((self.begins + n // self.series * SECOND) / SECOND, UTC)
                file.write(f"{n % self.series + 1}\t{at:%Y-%m-%d %H:%M:%S}\t{self.values[n]}\n")


class Bench:
    """The private servers, one database, one virtual host, and a writer that is started for each round."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.address = BrokerAddress(f"{servers.amqp_url}{VHOST}", servers.amqp_password)
        self.url = f"{servers.mariadb_url}{DATABASE}"

    def sql(self, statement: str) -> str:
        """Run ``statement`` in the bench's database."""
        return self.servers.run_sql(f"USE {DATABASE}; {statement}")

    async def prepare(self) -> None:
        """An empty migrated database and an empty virtual host."""
        self.servers.run_sql(f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
        environment = {
            **os.environ,
            "WRITER_MIGRATION_DATABASE_URL": self.url,
            "WRITER_MIGRATION_DATABASE_PASSWORD": self.servers.mariadb_password,
        }
        subprocess.run([sys.executable, "-m", "telltale_writer.migrate"], env=environment, check=True)
        engine = create_engine(self.url, self.servers.mariadb_password)
        await ensure_partitions(engine, PartitionedTable("records", 365), today=datetime.now(UTC).date() - timedelta(1))
        await engine.dispose()
        self.sql(f"CREATE TABLE {BASELINE} LIKE records")
        if VHOST in self.servers.run_rabbitmqctl("list_vhosts").split():
            self.servers.run_rabbitmqctl("delete_vhost", VHOST)
        self.servers.run_rabbitmqctl("add_vhost", VHOST)
        self.servers.run_rabbitmqctl("set_permissions", "-p", VHOST, "telltale", ".*", ".*", ".*")

    def server_cpu_seconds(self) -> float:
        """The processor time that MariaDB has had so far."""
        return _cpu(_server())

    def load_data(self, path: Path, readings: int) -> float:
        """Rows a second of LOAD DATA into an empty copy of the table."""
        self.sql(f"TRUNCATE {BASELINE}")
        begun = time.monotonic()
        subprocess.run(
            [*self.servers.mariadb_client, "--local-infile=1", DATABASE],
            input=f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {BASELINE} (series_id, observed_at, value)",
            text=True,
            check=True,
        )
        rate = readings / (time.monotonic() - begun)
        loaded = int(self.sql(f"SELECT COUNT(*) FROM {BASELINE}").split()[-1])
        assert loaded == readings, f"LOAD DATA stored {loaded} of {readings}"
        return rate

    async def fill(self, load: Load, producer: str) -> None:
        """Publish the whole load with confirms, many at a time."""
        gate = asyncio.Semaphore(100)
        async with Publisher(self.address, topology(), name="bench") as publisher, asyncio.TaskGroup() as group:

            async def publish(batch: ReadingBatch, body: bytes) -> None:
                headers: dict[str, str | int] = {"producer": producer, "first": batch.first, "count": batch.count}
                try:
                    await publisher.publish(
                        store_readings(0), body, schema=schema_of(batch), headers=headers, timeout=60
                    )
                finally:
                    gate.release()

            for batch, body in load.deliveries(producer):
                await gate.acquire()
                group.create_task(publish(batch, body))

    async def drain(self, readings: int, writer_command: Sequence[str] = WRITER) -> "Drained":
        """Start the writer and watch it until the queue is empty and committed."""
        for table in TABLES.split():
            self.sql(f"TRUNCATE {table}")
        environment = {
            **os.environ,
            "WRITER_DATABASE_URL": self.url,
            "WRITER_DATABASE_PASSWORD": self.servers.mariadb_password,
            "WRITER_PORT": str(WRITER_PORT),
            "AMQP_URL": self.address.url,
            "AMQP_PASSWORD": self.address.password,
            "LOG_LEVEL": "WARNING",
        }
        writer = subprocess.Popen([sys.executable, *writer_command], env=environment)
        try:
            return await self.watch(psutil.Process(writer.pid), readings)
        finally:
            writer.terminate()
            writer.wait(timeout=20)

    async def watch(self, writer: psutil.Process, readings: int) -> "Drained":
        """What the writer does from its first committed batch until ``readings`` are committed."""
        server = _server()
        engine = create_engine(self.url, self.servers.mariadb_password, pool_size=1)
        memory: list[float] = []
        begun: tuple[float, int, float, float] | None = None
        async with engine.connect() as connection:
            while True:
                stored = int(
                    (await connection.execute(text("SELECT COALESCE(SUM(stored), 0) FROM producers"))).scalar_one()
                )
                await connection.rollback()
                if writer.status() == psutil.STATUS_ZOMBIE:
                    raise RuntimeError(f"the writer has ended after {stored:,} of {readings:,} readings")
                memory.append(writer.memory_info().rss / 2**20)
                if begun is None and stored:
                    begun = (time.monotonic(), stored, _cpu(writer), _cpu(server))
                if begun is not None and stored >= readings:
                    break
                await asyncio.sleep(0.02)
        await engine.dispose()
        elapsed = time.monotonic() - begun[0]
        return Drained(readings - begun[1], elapsed, _cpu(writer) - begun[2], _cpu(server) - begun[3], memory)


@dataclass(frozen=True)
class Drained:
    """One emptied queue."""

    readings: int
    seconds: float
    writer_cpu: float
    """Seconds."""
    server_cpu: float
    memory: list[float]
    """MiB of the writer, many times a second."""

    @property
    def rate(self) -> float:
        """Readings a second."""
        return self.readings / self.seconds

    @property
    def cpu_per_reading(self) -> float:
        """µs of processor, of writer and server together."""
        return (self.writer_cpu + self.server_cpu) / self.readings * SECOND

    def __str__(self) -> str:
        return (
            f"{self.rate:10,.0f} readings/s   cores: writer {self.writer_cpu / self.seconds:.2f}, "
            f"server {self.server_cpu / self.seconds:.2f}   {self.cpu_per_reading:.2f} µs of processor a reading   "
            f"writer memory {max(self.memory):.0f} MiB"
        )


def _server() -> psutil.Process:
    running = psutil.process_iter(["name", "cmdline"])  # read at once: what ends meanwhile is left out
    servers = (one for one in running if one.info["name"] == "mariadbd")
    return next(one for one in servers if OPTIONS[1] in " ".join(one.info["cmdline"] or ()))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(bench: Bench, load: Load, rounds: int, *, upkeep: bool) -> None:
    """Print the rates of every round, their medians, the ratio, and with ``upkeep`` the share of the rollups."""
    loaded: list[float] = []
    drained: list[Drained] = []
    without: list[Drained] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readings.tsv"
        load.write_csv(path)
        for turn in range(rounds):
            loaded.append(bench.load_data(path, load.readings))
            print(f"round {turn + 1}: LOAD DATA        {loaded[-1]:10,.0f} rows/s")
            await bench.fill(load, f"bench-{turn}")
            drained.append(await bench.drain(load.readings))
            print(f"         writer           {drained[-1]}")
            if upkeep:
                await bench.fill(load, f"bench-{turn}-without")
                without.append(await bench.drain(load.readings, WRITER_WITHOUT_ROLLUPS))
                print(f"         without rollups  {without[-1]}")
    baseline, pipeline = statistics.median(loaded), statistics.median(d.rate for d in drained)
    print(f"median:  LOAD DATA {baseline:10,.0f} rows/s   writer {pipeline:10,.0f} readings/s")
    ratios = sorted(one.rate / rate for one, rate in zip(drained, loaded, strict=True))
    print(f"ratio:   {statistics.median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f} (target: at least 0.60)")
    if upkeep:
        whole, rest = (statistics.median(d.cpu_per_reading for d in runs) for runs in (drained, without))
        print(f"rollups: {whole - rest:.2f} of {whole:.2f} µs of processor a reading")
        print(f"share:   {(whole - rest) / whole:.0%} (target: at most 20 %)")


async def backlog(bench: Bench, load: Load) -> None:
    """Print the writer's memory over a long backlog."""
    await bench.fill(load, "bench-backlog")
    drained = await bench.drain(load.readings)
    tenths = [drained.memory[len(drained.memory) * n // 10] for n in range(10)] + [drained.memory[-1]]
    print(f"backlog of {load.readings:,}: {drained.rate:,.0f} readings/s")
    print("writer memory by tenths of the time, MiB: " + " ".join(f"{mib:.0f}" for mib in tenths))


async def main() -> None:
    """Parse the arguments, start the servers, measure, stop them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--per-delivery", type=int, default=PER_DELIVERY, help="readings in a message")
    parser.add_argument("--upkeep", action="store_true")
    parser.add_argument("--backlog", type=int, default=0)
    arguments = parser.parse_args()
    subprocess.run([*STACK, "servers-up", *OPTIONS], check=True)
    try:
        bench = Bench(Servers.read(Path(OPTIONS[1])))
        await bench.prepare()
        load = Load.of(arguments.readings, arguments.series, arguments.per_delivery)
        await measure(bench, load, arguments.rounds, upkeep=arguments.upkeep)
        if arguments.backlog:
            await backlog(bench, Load.of(arguments.backlog, arguments.series, arguments.per_delivery))
    finally:
        subprocess.run([*STACK, "servers-down", *OPTIONS], check=True)


if __name__ == "__main__":
    asyncio.run(main())
