"""The publisher over a real broker: full queues, cut links, full disks, predecessors."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from services.generator.tests.conftest import Store

from telltale_generator.deliveries import DELIVERY_READINGS
from telltale_generator.publisher import GOODBYES, ReadingPublisher, SpoolFull
from telltale_generator.sources import Reading
from telltale_generator.spool import Delivery, Spool
from telltale_shared.broker import BrokerAddress, Link, Publisher, StreamEvent, follow
from telltale_shared.contracts import ProducerState, ReadingBatch, decode
from telltale_shared.system_events import now_us
from telltale_shared.testing import Access, eventually
from telltale_shared.testing_proxy import TcpProxy
from telltale_shared.topology import LIVE_STREAM, Topology, topology

pytestmark = pytest.mark.anyio


def readings(count: int, *, start: int = 0) -> list[Reading]:
    now = now_us()
    return [Reading(f"s{n % 3}", "c", "u", now + start + n, float(start + n)) for n in range(count)]


@asynccontextmanager
async def publishing(
    access: Access, folder: Path, *, max_bytes: int = 10_000_000, declared: Topology | None = None
) -> AsyncIterator[ReadingPublisher]:
    address = BrokerAddress(access.url, access.password)
    async with Publisher(address, declared or topology(), name="test") as broker:
        publisher = ReadingPublisher(
            broker, Spool(folder), service="generator", partition=0, max_bytes=max_bytes, clock=now_us
        )
        task = asyncio.create_task(publisher.run())
        try:
            yield publisher
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            publisher.close()


@asynccontextmanager
async def arriving(access: Access) -> AsyncIterator[Store]:
    store = Store(access)
    task = asyncio.create_task(store.take())
    try:
        yield store
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_readings_are_numbered_cut_confirmed_and_forgotten(broker: Access, tmp_path: Path) -> None:
    async with publishing(broker, tmp_path) as publisher, arriving(broker) as store:
        one = await publisher.accept(readings(3))
        assert (one.first, one.last) == (1, 3)
        many = await publisher.accept(readings(2 * DELIVERY_READINGS + 1))
        assert (many.first, many.last) == (4, 2_004)
        assert await one.confirmed_within(10)
        assert await many.confirmed_within(10)
        await eventually(lambda: store.numbers(publisher.producer) == list(range(1, 2_005)))
        await eventually(lambda: publisher.spool_deliveries == 0)
        assert publisher.states() == [ProducerState(producer=publisher.producer, published=2_004, confirmed=2_004)]
        assert max(batch.count for batch in store.of(publisher.producer)) == DELIVERY_READINGS
        assert all(batch.confirmed < batch.first for batch in store.batches)
        assert (await publisher.accept(readings(1))).first == 2_005


async def test_the_watermark_of_what_is_confirmed_travels_with_each_delivery(broker: Access, tmp_path: Path) -> None:
    async with publishing(broker, tmp_path) as publisher, arriving(broker) as store:
        for _ in range(3):
            await (await publisher.accept(readings(5))).confirmed_within(10)
        await eventually(lambda: len(store.of(publisher.producer)) == 3)
        assert [batch.confirmed for batch in store.of(publisher.producer)] == [0, 5, 10]


async def test_a_fresh_delivery_is_live_once_even_while_the_store_is_full(vhost: Access, tmp_path: Path) -> None:
    seen: list[ReadingBatch] = []

    async def show(event: StreamEvent) -> None:
        batch = decode(event.body)
        assert isinstance(batch, ReadingBatch)
        seen.append(batch)

    full = topology(store_max_length=1)
    link = Link(BrokerAddress(vhost.url, vhost.password), full, name="live")
    async with publishing(vhost, tmp_path, declared=full) as publisher:
        live = asyncio.create_task(follow(link, LIVE_STREAM, show, start="first"))

        # The broker notices a full queue a little late, so publish until it does.
        async def refused() -> bool:
            await publisher.accept(readings(2))
            return publisher.retries > 20

        await eventually(refused)
        published = publisher.published
        await eventually(lambda: sum(batch.count for batch in seen) == published)
        assert publisher.confirmed < published
        assert publisher.spool_deliveries > 0
        # The store takes again: all of it arrives, and nothing is repeated on the screen.
        store = Store(vhost)
        link = Link(BrokerAddress(vhost.url, vhost.password), full, name="store")
        drain = asyncio.create_task(store.take_with(link))
        assert await publisher.flush(20)
        await eventually(lambda: store.numbers(publisher.producer) == list(range(1, published + 1)))
        assert sum(batch.count for batch in seen) == published
        for task in (live, drain):
            task.cancel()
        await asyncio.gather(live, drain, return_exceptions=True)


async def test_a_cut_link_loses_nothing_and_repeats_byte_for_byte(broker: Access, tmp_path: Path) -> None:
    async with TcpProxy.before(broker.url) as proxy:
        through = replace(broker, url=proxy.url(broker.url))
        async with publishing(through, tmp_path) as publisher, arriving(broker) as store:
            await (await publisher.accept(readings(2))).confirmed_within(10)
            proxy.silence()
            for n in range(10):
                await publisher.accept(readings(2, start=n))
            await proxy.cut()
            await publisher.accept(readings(2))
            assert publisher.confirmed == 2
            assert not await publisher.flush(0.2)
            proxy.flow()
            await proxy.mend()
            assert await publisher.flush(20)
            await eventually(lambda: store.numbers(publisher.producer) == list(range(1, 25)))
            firsts = {batch.first for batch in store.of(publisher.producer)}
            assert len(set(store.bodies_of(publisher.producer))) == len(firsts)
            assert publisher.live_missed >= 1


async def test_a_full_spool_drops_before_numbering(broker: Access, tmp_path: Path) -> None:
    async with TcpProxy.before(broker.url) as proxy:
        through = replace(broker, url=proxy.url(broker.url))
        async with publishing(through, tmp_path, max_bytes=5_000) as publisher, arriving(broker) as store:
            await (await publisher.accept(readings(1))).confirmed_within(10)
            await proxy.cut()
            await eventually(lambda: publisher.spool_deliveries == 0)
            for _ in range(20):
                await publisher.offer(readings(10))
            assert 0 < publisher.dropped < 200
            assert publisher.published + publisher.dropped == 201
            assert publisher.spool_bytes <= 5_000
            assert publisher.spool_problem is not None
            with pytest.raises(SpoolFull):
                await publisher.accept(readings(10))
            published = publisher.published
            await proxy.mend()
            # What is confirmed leaves the spool a little later.
            await eventually(lambda: publisher.spool_deliveries == 0)
            assert (await publisher.accept(readings(1))).first == published + 1
            await eventually(lambda: store.numbers(publisher.producer) == list(range(1, published + 2)))
            await eventually(lambda: publisher.spool_problem is None)
            assert publisher.states()[0].dropped == publisher.dropped


async def test_a_disk_that_refuses_leaves_no_hole(
    broker: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with publishing(broker, tmp_path) as publisher, arriving(broker) as store:
        await publisher.accept(readings(2))
        with monkeypatch.context() as patched:

            def refuse(*_: object) -> None:
                raise sqlite3.OperationalError("database or disk is full")

            patched.setattr(Spool, "put", refuse)
            await publisher.offer(readings(3))
            with pytest.raises(SpoolFull, match="disk is full"):
                await publisher.accept(readings(3))
        assert (await publisher.accept(readings(2))).first == 3
        assert publisher.dropped == 3
        await eventually(lambda: store.numbers(publisher.producer) == [1, 2, 3, 4])


async def test_a_predecessors_deliveries_go_out_and_it_is_closed(broker: Access, tmp_path: Path) -> None:
    async with TcpProxy.before(broker.url) as proxy:
        through = replace(broker, url=proxy.url(broker.url))
        await proxy.cut()
        async with publishing(through, tmp_path) as first:
            await first.accept(readings(3))
            await first.accept(readings(4))
        spool = Spool(tmp_path)
        bodies = [one.delivery.body for one in spool.after(0, 10)]
        spool.close()
        async with publishing(broker, tmp_path) as second, arriving(broker) as store:
            assert second.producer > first.producer
            final = ProducerState(producer=first.producer, published=7, confirmed=7, closed=True)
            await eventually(lambda: second.states() == [final])
            assert (await second.accept(readings(1))).first == 1
            await eventually(lambda: len(store.of(first.producer)) == 2 and store.of(second.producer))
            assert sorted(store.bodies_of(first.producer)) == sorted(bodies)
            for _ in range(GOODBYES):
                assert second.states()[0] == final
                second.note_reported(second.states())
            await eventually(lambda: [one.producer for one in second.states()] == [second.producer])
        spool = Spool(tmp_path)
        assert [one.producer for one in spool.producers()] == [second.producer]
        spool.close()


async def test_a_backlog_larger_than_what_may_be_in_flight_drains(vhost: Access, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    body = b'{"schema":"reading_batch/1"}'
    spool.put("old", [Delivery("old", n + 1, 1, body) for n in range(700)], 0)
    spool.close()
    async with publishing(vhost, tmp_path) as publisher:
        await eventually(lambda: publisher.spool_deliveries == 0)
        drained = ProducerState(producer="old", published=700, confirmed=700, closed=True)
        await eventually(lambda: publisher.states() == [drained])


async def test_a_closed_producer_numbers_nothing_more(broker: Access, tmp_path: Path) -> None:
    async with publishing(broker, tmp_path) as publisher:
        await publisher.accept(readings(1))
        publisher.end()
        with pytest.raises(SpoolFull, match="stopping"):
            await publisher.accept(readings(1))
        assert await publisher.flush(10)
        assert publisher.states()[0].closed
