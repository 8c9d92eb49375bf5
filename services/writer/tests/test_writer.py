"""The writer as a process: what it survives, with real servers."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import aio_pika
import httpx
import pytest
from aio_pika.abc import HeadersType
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.contracts import (
    AnomalyDetected,
    Heartbeat,
    LogEvent,
    ProducerState,
    ReadingBatch,
    SeriesKey,
    encode,
    schema_of,
)
from telltale_shared.system_events import now_us
from telltale_shared.testing import Access, eventually
from telltale_shared.topology import (
    DEAD_EXCHANGE,
    EVENTS_QUEUE,
    STORE_EVENTS,
    readings_queue,
    store_readings,
    topology,
)

pytestmark = pytest.mark.anyio

PER_DELIVERY = 100


@pytest.fixture
def vhost(new_broker: Callable[[], Access]) -> Access:
    return new_broker()


@pytest.fixture
async def publisher(vhost: Access) -> AsyncIterator[Publisher]:
    async with Publisher(BrokerAddress(vhost.url, vhost.password), topology(), name="test") as publisher:
        yield publisher


@pytest.fixture
def start(
    migrated: Access, vhost: Access, free_port: int, tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    environment = {
        **os.environ,
        "WRITER_DATABASE_URL": migrated.url,
        "WRITER_DATABASE_PASSWORD": migrated.password,
        "WRITER_BATCH_ROWS": "300",
        "WRITER_BATCH_AGE": "0.02",
        "AMQP_URL": vhost.url,
        "AMQP_PASSWORD": vhost.password,
    }
    running: list[subprocess.Popen[bytes]] = []
    with (tmp_path / "writer.log").open("wb") as log:

        def run(port: int = free_port) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-m", "telltale_writer"],
                env={**environment, "WRITER_PORT": str(port)},
                stdout=log,
                stderr=log,
            )
            running.append(process)
            return process

        yield run
        for process in running:
            process.kill()
            process.wait()


def delivery(number: int, *, producer: str = "p", at: int) -> ReadingBatch:
    first = (number - 1) * PER_DELIVERY + 1
    return ReadingBatch(
        producer=producer,
        service="test",
        first=first,
        confirmed=first - 1,
        published_at=at,
        series=[SeriesKey("a", "load", None), SeriesKey("b", "load", None)],
        index=[n % 2 for n in range(PER_DELIVERY)],
        observed_at=[at + first + n for n in range(PER_DELIVERY)],
        value=[float(first + n) for n in range(PER_DELIVERY)],
    )


async def publish(publisher: Publisher, batch: ReadingBatch) -> None:
    headers: dict[str, str | int] = {"producer": batch.producer, "first": batch.first, "count": batch.count}
    await publisher.publish(store_readings(0), encode(batch), schema=schema_of(batch), headers=headers)


async def scalar(engine: AsyncEngine, statement: str) -> object:
    async with engine.connect() as connection:
        return (await connection.execute(text(statement))).scalar()


async def test_killed_again_and_again_it_stores_each_reading_once(
    engine: AsyncEngine, publisher: Publisher, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    at = now_us() - 3_600_000_000
    deliveries = 200
    for number in range(1, deliveries + 1):
        await publish(publisher, delivery(number, at=at))
    for part in (1, 2, 3):
        writer = start()
        enough = deliveries * PER_DELIVERY * part // 4
        await eventually(partial(_at_least, engine, enough))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    start()
    total = deliveries * PER_DELIVERY
    await eventually(lambda: _at_least(engine, total))
    assert await scalar(engine, "SELECT COUNT(*) FROM records") == total
    assert await scalar(engine, "SELECT SUM(value) FROM records") == total * (total + 1) / 2
    async with engine.connect() as connection:
        found = (
            await connection.execute(text("SELECT watermark, stored, repeated, dead, proven FROM producers"))
        ).one()
    assert tuple(found) == (total, total, 0, 0, total - PER_DELIVERY)
    assert await scalar(engine, "SELECT SUM(`count`) FROM rollups_hour") == total


async def test_a_waiting_writer_takes_over_from_one_that_is_killed(
    engine: AsyncEngine, publisher: Publisher, start: Callable[..., subprocess.Popen[bytes]], free_port: int
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other_port = probe.getsockname()[1]
    active = start()
    await eventually(partial(_ready, free_port))
    waiting = start(other_port)
    await eventually(partial(_ready, other_port))
    at = now_us() - 3_600_000_000
    for number in range(1, 151):
        await publish(publisher, delivery(number, at=at))
        if number == 50:
            await eventually(partial(_at_least, engine, 1))
            active.send_signal(signal.SIGKILL)
    total = 150 * PER_DELIVERY
    await eventually(lambda: _at_least(engine, total), 15)
    assert waiting.poll() is None
    assert await scalar(engine, "SELECT COUNT(*) FROM records") == total
    async with engine.connect() as connection:
        found = (await connection.execute(text("SELECT watermark, stored, repeated, dead FROM producers"))).one()
    assert tuple(found) == (total, total, 0, 0)
    assert await scalar(engine, "SELECT SUM(`count`) FROM rollups_day") == total


async def _ready(port: int) -> bool:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        try:
            return (await http.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False


async def _at_least(engine: AsyncEngine, stored: int) -> bool:
    found = await scalar(engine, "SELECT COALESCE(SUM(stored), 0) FROM producers")
    return int(str(found)) >= stored


async def test_it_stops_on_sigterm_with_what_it_took_committed(
    engine: AsyncEngine, publisher: Publisher, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    at = now_us() - 3_600_000_000
    for number in range(1, 51):
        await publish(publisher, delivery(number, at=at))
    writer = start()
    await eventually(lambda: _at_least(engine, PER_DELIVERY))
    writer.terminate()
    # uvicorn ends orderly and then repeats the signal to itself.
    assert writer.wait(timeout=10) == -signal.SIGTERM
    start()
    await eventually(lambda: _at_least(engine, 50 * PER_DELIVERY))
    assert await scalar(engine, "SELECT COUNT(*) FROM records") == 50 * PER_DELIVERY


async def test_poison_among_good_deliveries(
    engine: AsyncEngine, publisher: Publisher, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    at = now_us() - 3_600_000_000
    poison = [b"", b"\xff\xfe", b"[]", b'{"schema":"reading_batch/2"}', b'{"schema":"reading_batch/1"}', b"{" * 5_000]
    for number in range(1, 4):
        await publish(publisher, delivery(number, at=at))
        for body in poison:
            await publisher.publish(store_readings(0), body, schema="reading_batch/1")
    start()
    await eventually(lambda: _at_least(engine, 3 * PER_DELIVERY))

    async def all_buried() -> bool:
        return await scalar(engine, "SELECT COUNT(*) FROM dead_letters WHERE reason = 'malformed'") == 3 * len(poison)

    await eventually(all_buried)


async def test_what_the_broker_gave_up_is_settled_once_and_by_what_it_was(
    engine: AsyncEngine, publisher: Publisher, vhost: Access, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    at = now_us() - 3_600_000_000
    await publish(publisher, delivery(1, at=at))
    start()
    await eventually(lambda: _at_least(engine, PER_DELIVERY))
    known, lost = delivery(1, at=at), delivery(2, at=at)
    async with await aio_pika.connect(BrokerAddress(vhost.url, vhost.password).with_password()) as broker:
        exchange = await (await broker.channel()).get_exchange(DEAD_EXCHANGE)
        headers: HeadersType = {"producer": known.producer, "first": known.first, "count": known.count}
        await exchange.publish(aio_pika.Message(encode(known), headers=headers), readings_queue(0))
        await exchange.publish(aio_pika.Message(encode(lost)), readings_queue(0))
        event = aio_pika.Message(b"an event", headers={"x-first-death-queue": EVENTS_QUEUE})
        await exchange.publish(event, EVENTS_QUEUE)

    async def both_buried() -> bool:
        return await scalar(engine, "SELECT COUNT(*) FROM dead_letters WHERE reason = 'delivery_limit'") == 2

    await eventually(both_buried)
    async with engine.connect() as connection:
        ledger = (await connection.execute(text("SELECT watermark, stored, dead, redelivered FROM producers"))).one()
        letters = await connection.execute(text("SELECT number, `count` FROM dead_letters ORDER BY number"))
        assert tuple(ledger) == (2 * PER_DELIVERY, PER_DELIVERY, PER_DELIVERY, PER_DELIVERY)
        assert [tuple(letter) for letter in letters] == [(None, 0), (PER_DELIVERY + 1, PER_DELIVERY)]


async def test_events_reach_their_tables_once(
    engine: AsyncEngine, publisher: Publisher, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    now = now_us()
    anomaly = AnomalyDetected(
        source="a", category="load", unit="%", observed_at=now, value=9.0, score=12.5, expected_low=0.0,
        expected_high=1.0, kind="spike", detector="robust", version="1", explanation="9 is too much", detected_at=now,
    )  # fmt: skip
    heartbeat = Heartbeat(
        service="generator", instance="generator@test:1", version="0.1.0", started_at=now, at=now, health="ok",
        memory_bytes=1, producers=[ProducerState(producer="p", published=7, confirmed=5)],
    )  # fmt: skip
    log = LogEvent(service="x", instance="x@test:1", at=now, level="warning", logger="l", message="m")
    for event in (anomaly, anomaly, heartbeat, log, log):
        await publisher.publish(STORE_EVENTS, encode(event), schema=schema_of(event))
    await publisher.publish(STORE_EVENTS, b"nonsense", schema="log/1")
    start()

    async def all_stored() -> bool:
        return await scalar(engine, "SELECT COUNT(*) FROM dead_letters") == 1

    await eventually(all_stored)
    assert await scalar(engine, "SELECT COUNT(*) FROM anomalies") == 1
    assert await scalar(engine, "SELECT COUNT(*) FROM system_logs WHERE service = 'x'") == 1
    assert await scalar(engine, "SELECT published FROM producers WHERE producer = 'p'") == 7
    assert await scalar(engine, "SELECT health FROM service_instances WHERE service = 'generator'") == "ok"


async def test_ready_says_what_is_missing(
    engine: AsyncEngine, start: Callable[[], subprocess.Popen[bytes]], free_port: int
) -> None:
    start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port}") as http:
        await eventually(partial(_ready, free_port))
        dependencies = (await http.get("/health/ready")).json()["dependencies"]
        assert set(dependencies.values()) == {"ok"}
        assert {"database", "ingest", "broker (readings)"} <= set(dependencies)
        assert "telltale_readings_stored_total" in (await http.get("/metrics")).text


def _spawn(environment: dict[str, str], output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "telltale_writer"], env=environment, stdout=log, stderr=log)


async def test_it_stops_on_sigterm_while_it_waits_for_its_database(free_port: int, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "WRITER_DATABASE_URL": "mariadb+asyncmy://nobody@127.0.0.1:9/nowhere",
        "WRITER_PORT": str(free_port),
    }
    output = tmp_path / "writer.log"
    writer = _spawn(environment, output)
    await eventually(lambda: "waiting for the database" in output.read_text())
    writer.terminate()
    assert writer.wait(timeout=10) == 128 + signal.SIGTERM


def test_a_bad_setting_is_one_line(tmp_path: Path) -> None:
    environment = {**os.environ, "WRITER_BATCH_ROWS": "many"}
    result = subprocess.run(
        [sys.executable, "-m", "telltale_writer"], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 3
    assert result.stderr.startswith("bad setting: WRITER_BATCH_ROWS: ")
    assert result.stderr.count("\n") == 1
