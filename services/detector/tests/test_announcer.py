import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from telltale_detector import announcer as module
from telltale_detector.announcer import Announcer
from telltale_detector.consumer import Consumer
from telltale_detector.settings import Settings
from telltale_shared.broker import BrokerAddress, Link, Publisher, PublishRefused, StreamEvent
from telltale_shared.contracts import AnomalyDetected, ReadingBatch, SeriesKey, encode
from telltale_shared.testing import eventually
from telltale_shared.topology import LIVE_ANOMALY, STORE_EVENTS, topology

pytestmark = pytest.mark.anyio

NOW = 1_767_225_600_000_000
ADDRESS = BrokerAddress("amqp://nobody@127.0.0.1:1/none", "")


class Broker(Publisher):
    """Refuses what the test wants refused; what it takes is kept by routing key."""

    def __init__(self) -> None:
        super().__init__(ADDRESS, topology(), name="test")
        self.refuses: set[str] = set()
        self.taken: dict[str, list[bytes]] = {STORE_EVENTS: [], LIVE_ANOMALY: []}

    async def publish(self, routing_key: str, body: bytes, **_: object) -> None:
        await asyncio.sleep(0)
        if routing_key in self.refuses:
            raise PublishRefused("a queue is full")
        self.taken[routing_key].append(body)


def anomaly(n: int) -> AnomalyDetected:
    return AnomalyDetected(
        source="a",
        category="b",
        unit=None,
        observed_at=n,
        value=1.0,
        score=9.0,
        expected_low=0.0,
        expected_high=0.5,
        kind="spike",
        detector="telltale",
        version="1",
        explanation="Spike.",
        detected_at=n,
    )


@asynccontextmanager
async def running(announcer: Announcer) -> AsyncIterator[None]:
    task = asyncio.create_task(announcer.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_full_store_queue_does_not_hold_up_the_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_FIRST", 0.01)
    broker = Broker()
    broker.refuses.add(STORE_EVENTS)
    announcer = Announcer(broker)
    async with running(announcer):
        for n in range(5):
            announcer.tell(anomaly(n))
        await eventually(lambda: len(broker.taken[LIVE_ANOMALY]) == 5)
        assert announcer.waiting == 5
        broker.refuses.clear()
        await announcer.settled(5)
        assert broker.taken[STORE_EVENTS] == broker.taken[LIVE_ANOMALY] == [encode(anomaly(n)) for n in range(5)]


async def test_screens_get_an_anomaly_once_or_never() -> None:
    broker = Broker()
    broker.refuses.add(LIVE_ANOMALY)
    announcer = Announcer(broker)
    async with running(announcer):
        announcer.tell(anomaly(1))
        await announcer.settled(1)
    assert broker.taken == {STORE_EVENTS: [encode(anomaly(1))], LIVE_ANOMALY: []}


async def test_scoring_waits_when_too_many_are_unconfirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_MAX", 3)
    announcer = Announcer(Broker())
    for n in range(3):
        async with asyncio.timeout(60):
            await announcer.room()
        announcer.tell(anomaly(n))
    assert announcer.full
    waiting = asyncio.create_task(announcer.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    async with running(announcer), asyncio.timeout(60):
        await waiting


async def test_no_checkpoint_before_its_anomalies_are_confirmed(tmp_path: Path) -> None:
    announcer = Announcer(Broker())
    settings = Settings(checkpoint_dir=tmp_path)
    end = NOW + 200 * 1_000_000
    consumer = Consumer(settings, Link(ADDRESS, topology(), name="test"), announcer, lambda: end)
    value = np.random.default_rng(1).normal(20, 1, 200)
    value[150] += 20
    batch = ReadingBatch(
        producer="p",
        service="generator",
        first=1,
        confirmed=0,
        published_at=end,
        series=[SeriesKey("a", "b")],
        index=[0] * 200,
        observed_at=[NOW + n * 1_000_000 for n in range(200)],
        value=value.tolist(),
    )
    await consumer.handle(StreamEvent(0, encode(batch), None, {}))
    assert announcer.waiting == 1
    saving = asyncio.create_task(consumer.checkpoint())
    await asyncio.sleep(0.05)
    assert not settings.checkpoint_file.exists()
    async with running(announcer), asyncio.timeout(60):
        await saving
    assert settings.checkpoint_file.exists()
