"""Between the queue and the database: what the consumer does when either of them goes away."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.broker import Delivery, Subscription, SubscriptionClosed
from telltale_shared.testing import eventually
from telltale_writer.consumer import ReadingConsumer
from telltale_writer.decode import DecodedDelivery, unreadable
from telltale_writer.ingest import Counts, Ingest
from telltale_writer.metrics import Rate

pytestmark = pytest.mark.anyio


class Channel:
    """A broker's channel that may be lost."""

    def __init__(self) -> None:
        self.lost = False
        self.acknowledged: list[int] = []

    async def basic_ack(self, tag: int, *, multiple: bool) -> None:
        assert multiple
        if self.lost:
            raise ConnectionError
        self.acknowledged.append(tag)


class Store:
    """A database that stores when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.away = False
        self.begun = asyncio.Event()
        self.stored: list[int] = []

    async def store(self, batch: Sequence[DecodedDelivery], *, now: int) -> Counts:
        assert now
        self.begun.set()
        if self.away:
            raise ConnectionRefusedError
        await self.let.wait()
        self.stored += [delivery.tag for delivery in batch]
        return Counts()


def consumer_of(
    store: Store,
    decode: Callable[[Delivery], DecodedDelivery] | None = None,
    on_backlog: Callable[[], Awaitable[None]] | None = None,
    *,
    prefetch: int = 200,
    batch_age: float = 0.0,
) -> ReadingConsumer:
    anything: Any = store
    return ReadingConsumer(
        anything,
        decode or (lambda delivery: DecodedDelivery(delivery.tag, None)),
        Rate(),
        batch_rows=1,
        prefetch=prefetch,
        batch_age=batch_age,
        on_backlog=on_backlog,
    )


async def arriving(channel: Channel, count: int) -> Subscription:
    anything: Any = channel
    subscription = Subscription(anything)
    for tag in range(1, count + 1):
        properties = SimpleNamespace(message_type=None, headers=None)
        message: Any = SimpleNamespace(
            header=SimpleNamespace(properties=properties), delivery_tag=tag, body=b"", redelivered=False
        )
        await subscription.arrive(message)
    return subscription


async def test_it_acknowledges_what_is_stored_in_order() -> None:
    channel, store = Channel(), Store()
    store.let.set()
    subscription = await arriving(channel, 5)
    running = asyncio.create_task(consumer_of(store).run(subscription))
    await eventually(lambda: channel.acknowledged == [1, 2, 3, 4, 5])
    assert store.stored == [1, 2, 3, 4, 5]
    subscription.close()
    with pytest.raises(SubscriptionClosed):
        await running


async def test_half_of_what_may_be_held_does_not_wait_for_more() -> None:
    channel, store = Channel(), Store()
    store.let.set()
    subscription = await arriving(channel, 4)
    running = asyncio.create_task(consumer_of(store, prefetch=4, batch_age=600).run(subscription))
    await eventually(lambda: channel.acknowledged == [2, 4])
    subscription.close()
    with pytest.raises(SubscriptionClosed):
        await running


async def test_a_link_lost_under_a_backlog_ends_the_run_after_the_batch_in_progress() -> None:
    channel, store = Channel(), Store()
    subscription = await arriving(channel, 20)
    running = asyncio.create_task(consumer_of(store).run(subscription))
    await store.begun.wait()
    await asyncio.sleep(0.05)
    channel.lost = True
    subscription.close()
    store.let.set()
    async with asyncio.timeout(60):
        with pytest.raises(SubscriptionClosed):
            await running
    assert store.stored[0] == 1
    assert channel.acknowledged == []


@pytest.mark.parametrize(("readings", "told"), [(1, [0, 1, 2]), (0, [])])
async def test_it_tells_of_a_backlog_before_it_stores_a_batch_that_is_full(readings: int, told: list[int]) -> None:
    channel, store = Channel(), Store()
    store.let.set()
    stored_before: list[int] = []

    async def note() -> None:
        stored_before.append(len(store.stored))

    subscription = await arriving(channel, 3)
    consumer = consumer_of(
        store, lambda delivery: DecodedDelivery(delivery.tag, None, value=np.zeros(readings)), on_backlog=note
    )
    running = asyncio.create_task(consumer.run(subscription))
    await eventually(lambda: channel.acknowledged == [1, 2, 3])
    assert stored_before == told
    subscription.close()
    with pytest.raises(SubscriptionClosed):
        await running


async def test_a_batch_held_while_the_link_is_lost_is_given_back() -> None:
    channel, store = Channel(), Store()
    store.away = True
    subscription = await arriving(channel, 3)
    consumer = consumer_of(store)
    running = asyncio.create_task(consumer.run(subscription))
    await store.begun.wait()
    subscription.close()
    async with asyncio.timeout(60):
        with pytest.raises(SubscriptionClosed):
            await running
    assert store.stored == []
    assert consumer.problem is None


async def test_an_error_in_decoding_ends_the_run_once_the_good_before_it_is_stored() -> None:
    channel, store = Channel(), Store()
    store.let.set()

    def decode(delivery: Delivery) -> DecodedDelivery:
        if delivery.tag == 2:
            raise ZeroDivisionError
        return DecodedDelivery(delivery.tag, None)

    subscription = await arriving(channel, 3)
    async with asyncio.timeout(60):
        with pytest.raises(ZeroDivisionError):
            await consumer_of(store, decode).run(subscription)
    assert channel.acknowledged == [1]


async def test_a_message_without_numbers_whose_commit_is_not_answered_is_buried_once(
    engine: AsyncEngine, lost_answer: list[str]
) -> None:
    channel = Channel()
    consumer = ReadingConsumer(
        Ingest(engine),
        lambda delivery: unreadable(delivery.body, "no JSON", tag=delivery.tag, headers={}, redelivered=False),
        Rate(),
        batch_rows=1,
        prefetch=200,
        batch_age=0.0,
    )
    subscription = await arriving(channel, 1)
    running = asyncio.create_task(consumer.run(subscription))
    await eventually(lambda: channel.acknowledged == [1])
    assert lost_answer
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT COUNT(*) FROM dead_letters"))).scalar() == 1
    subscription.close()
    with pytest.raises(SubscriptionClosed):
        await running
