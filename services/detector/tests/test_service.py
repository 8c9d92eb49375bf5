"""The service as a process of its own, against a real broker: found, stored once, resumed after kill -9."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from structlog.testing import capture_logs

from telltale_detector.announcer import Announcer
from telltale_detector.checkpoint import Checkpoint, Position, load, save
from telltale_detector.consumer import Consumer, OneSessionLink
from telltale_detector.settings import Settings
from telltale_shared.broker import (
    BrokerAddress,
    Link,
    Publisher,
    PublishRefused,
    StreamEvent,
    Subscription,
    consume,
    follow,
)
from telltale_shared.contracts import (
    AnomalyDetected,
    LogEvent,
    ReadingBatch,
    Sensitivities,
    SeriesKey,
    SeriesLimits,
    decode,
    encode,
    schema_of,
)
from telltale_shared.system_events import now_us
from telltale_shared.testing import Access, Servers, eventually
from telltale_shared.topology import EVENTS_QUEUE, LIVE_READINGS, LIVE_STREAM, topology

pytestmark = pytest.mark.anyio

SECOND = 1_000_000


def deliveries(count: int, *, anomalous: int, at: int | None = None, source: str = "press-1") -> list[ReadingBatch]:
    """``count`` deliveries of one reading a second, with a spike in the reading number ``anomalous``."""
    value = np.random.default_rng(1).normal(20, 1, count)
    value[anomalous] += 9
    begin = now_us() - count * SECOND if at is None else at
    return [
        ReadingBatch(
            producer="p",
            service="generator",
            first=n + 1,
            confirmed=n,
            published_at=begin + n * SECOND,
            series=[SeriesKey(source, "temperature", "°C")],
            index=[0],
            observed_at=[begin + n * SECOND],
            value=[float(value[n])],
        )
        for n in range(count)
    ]


async def publish(access: Access, batches: list[ReadingBatch]) -> None:
    address = BrokerAddress(access.url, access.password)
    async with Publisher(address, topology(), name="test") as publisher:
        for batch in batches:
            await publisher.publish(LIVE_READINGS, encode(batch), schema=schema_of(batch))


@asynccontextmanager
async def service(access: Access, folder: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "AMQP_URL": access.url,
        "AMQP_PASSWORD": access.password,
        "DETECTOR_PORT": str(port),
        "DETECTOR_CHECKPOINT_DIR": str(folder),
        "DETECTOR_CHECKPOINT_PERIOD": "0.2",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "telltale_detector", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 20)


@asynccontextmanager
async def stored(access: Access) -> AsyncIterator[list[AnomalyDetected | LogEvent]]:
    """Anomalies and log events as they reach the database's queue."""
    events: list[AnomalyDetected | LogEvent] = []
    link = Link(BrokerAddress(access.url, access.password), topology(), name="test events")

    async def collect(subscription: Subscription) -> None:
        while True:
            delivery = await subscription.get()
            message = decode(delivery.body)
            if isinstance(message, AnomalyDetected | LogEvent):
                events.append(message)
            await subscription.acknowledge_through(delivery.tag)

    task = asyncio.create_task(consume(link, EVENTS_QUEUE, collect, prefetch=100))
    try:
        yield events
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def anomalies(events: list[AnomalyDetected | LogEvent]) -> list[AnomalyDetected]:
    return [event for event in events if isinstance(event, AnomalyDetected)]


async def test_a_spike_reaches_the_database_and_the_screens(
    new_broker: Callable[[], Access], tmp_path: Path, free_port: int
) -> None:
    access = new_broker()
    batches = deliveries(200, anomalous=150)
    screens: list[AnomalyDetected] = []

    async def look(event: StreamEvent) -> None:
        message = decode(event.body)
        if isinstance(message, AnomalyDetected):
            screens.append(message)

    link = Link(BrokerAddress(access.url, access.password), topology(), name="test screen")
    screen = asyncio.create_task(follow(link, LIVE_STREAM, look, start="first"))
    async with stored(access) as events, service(access, tmp_path, free_port):
        await publish(access, batches)
        await eventually(lambda: anomalies(events) and screens, 20)
        (anomaly,) = anomalies(events)
        assert anomaly == screens[0]
        assert (anomaly.source, anomaly.category, anomaly.unit) == ("press-1", "temperature", "°C")
        assert anomaly.observed_at == batches[150].observed_at[0]
        assert anomaly.value == batches[150].value[0]
        assert "°C" in anomaly.explanation
        await until(partial(ready, free_port))
        await until(partial(all_scored, free_port, 0, 200))
        assert await metric(free_port, "telltale_detector_readings_scored_total") == 200
    screen.cancel()
    with suppress(asyncio.CancelledError):
        await screen


async def test_after_kill_9_every_reading_is_scored_and_anomalies_have_the_same_key(
    new_broker: Callable[[], Access], tmp_path: Path, free_port: int
) -> None:
    access = new_broker()
    batches = deliveries(400, anomalous=300)
    batches[120].value[0] += 9
    checkpoint_file = tmp_path / "detector-0-of-1.checkpoint"
    async with stored(access) as events:
        async with service(access, tmp_path, free_port) as process:
            await publish(access, batches[:200])
            await eventually(lambda: len(anomalies(events)) == 1 and checkpoint_file.exists(), 20)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        kept = load(checkpoint_file, capacity_limit=100)
        assert kept is not None
        await publish(access, batches[200:])
        async with service(access, tmp_path, free_port) as process:
            await eventually(lambda: len({one.observed_at for one in anomalies(events)}) == 2, 20)
            await until(partial(all_scored, free_port, int(kept.table.take(np.array([0])).count[0]), 400))
            process.terminate()
            await process.wait()
        last = load(checkpoint_file, capacity_limit=100)
        assert last is not None
        assert last.table.take(np.array([0])).count[0] == 400
        keys = {(one.source, one.category, one.observed_at, one.detector) for one in anomalies(events)}
        assert {key[2] for key in keys} == {batches[120].observed_at[0], batches[300].observed_at[0]}


async def test_a_gap_in_the_stream_is_told(tmp_path: Path) -> None:
    consumer = offline(tmp_path)
    first, second = deliveries(2, anomalous=0)
    await consumer.handle(StreamEvent(10, encode(first), None, {}))
    with capture_logs() as logs:
        await consumer.handle(StreamEvent(25, encode(second), None, {}))
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert (warning["first_offset"], warning["last_offset"], warning["messages"]) == (11, 24, 14)
    assert warning["published_after"] < warning["published_before"]
    assert consumer.scored == 2


async def test_an_offset_that_the_broker_took_for_itself_is_no_gap(tmp_path: Path) -> None:
    consumer = offline(tmp_path)
    first, second = deliveries(2, anomalous=0)
    await consumer.handle(StreamEvent(10, encode(first), None, {}))
    with capture_logs() as logs:
        await consumer.handle(StreamEvent(12, encode(second), None, {}))
    assert [entry for entry in logs if entry["log_level"] == "warning"] == []
    assert consumer.scored == 2


async def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    consumer = offline(tmp_path)
    await consumer.handle(StreamEvent(0, b"{", None, {}))
    await consumer.handle(StreamEvent(1, b'{"schema":"reading_batch/99"}', None, {}))
    await consumer.handle(StreamEvent(2, encode(deliveries(1, anomalous=0)[0]), None, {}))
    assert consumer.scored == 1
    assert consumer.position is not None
    assert consumer.position.offset == 2


async def test_another_stream_at_the_same_place_is_read_from_its_beginning(
    new_broker: Callable[[], Access], tmp_path: Path, free_port: int
) -> None:
    access = new_broker()
    known = offline(tmp_path).model.table
    save(tmp_path / "detector-0-of-1.checkpoint", Checkpoint(Position(3, 12_345, now_us()), known))
    await publish(access, deliveries(200, anomalous=150))
    async with stored(access) as events, service(access, tmp_path, free_port):
        await eventually(lambda: len(anomalies(events)) == 1, 20)
        await until(partial(all_scored, free_port, 0, 200))
        assert await metric(free_port, "telltale_detector_readings_scored_total") == 200
        await eventually(lambda: any(isinstance(event, LogEvent) for event in events), 10)


async def test_a_stream_that_ends_before_the_checkpoint_is_read_from_its_beginning(
    new_broker: Callable[[], Access], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telltale_detector.consumer.SILENCE", 0.5)
    access = new_broker()
    await publish(access, deliveries(100, anomalous=50))
    link = OneSessionLink(BrokerAddress(access.url, access.password), topology(), name="test")
    consumer = offline(tmp_path, link)
    consumer.position = Position(1_000, 12_345, now_us())
    task = asyncio.create_task(consumer.run())
    await eventually(lambda: consumer.scored == 100, 20)
    assert consumer.position.offset == 99
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_stream_that_is_deleted_and_made_again_is_scored_whole(
    servers: Servers, new_broker: Callable[[], Access], tmp_path: Path, free_port: int
) -> None:
    access = new_broker()
    batches = deliveries(400, anomalous=300)
    async with stored(access) as events, service(access, tmp_path, free_port):
        await publish(access, batches[:100])
        await until(partial(all_scored, free_port, 0, 100))
        servers.run_rabbitmqctl("delete_queue", "-p", access.url.rpartition("/")[2], LIVE_STREAM)
        await until(partial(routed, access, batches[100]))
        await publish(access, batches[101:])
        await until(partial(all_scored, free_port, 0, 400))
        await eventually(lambda: len(anomalies(events)) == 1)


async def test_how_sensitive_a_series_is_watched_comes_with_the_stream(tmp_path: Path) -> None:
    consumer = offline(tmp_path)
    batches = deliveries(400, anomalous=300)
    strict = Sensitivities(at=5, series=[SeriesLimits("press-1", "temperature", {"spike": 25.0, "level_shift": 25.0})])
    old = Sensitivities(at=4, series=[])
    messages: list[Sensitivities | ReadingBatch] = [strict, old, *batches]
    for offset, message in enumerate(messages):
        await consumer.handle(StreamEvent(offset, encode(message), schema_of(message), {}))
    assert consumer.found == 0
    default = offline(tmp_path / "other")
    for offset, batch in enumerate(batches):
        await default.handle(StreamEvent(offset, encode(batch), schema_of(batch), {}))
    assert default.found == 1


def offline(folder: Path, link: Link | None = None) -> Consumer:
    """A consumer that is handed its messages by the test."""
    address = BrokerAddress("amqp://nobody@127.0.0.1:1/none", "")
    settings = Settings(checkpoint_dir=folder)
    link = link or Link(address, topology(), name="test")
    return Consumer(settings, link, Announcer(Publisher(address, topology(), name="test")), now_us)


async def metric(port: int, name: str) -> float:
    """A metric of the service; -1 while it is not there."""
    async with httpx.AsyncClient() as client:
        try:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        except httpx.TransportError:
            return -1.0
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} ")), -1.0)


async def routed(access: Access, batch: ReadingBatch) -> bool:
    """Whether there is a stream again that takes ``batch``."""
    with suppress(PublishRefused):
        await publish(access, [batch])
        return True
    return False


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    async def seen() -> bool:
        return await look()

    await eventually(seen, 10)


async def all_scored(port: int, before: int, total: int) -> bool:
    return before + await metric(port, "telltale_detector_readings_scored_total") >= total


async def ready(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200
