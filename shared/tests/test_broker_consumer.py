"""Consuming: in order, acknowledged by the consumer, and back by itself whatever happens underneath."""

import asyncio

import pytest
from aio_pika.abc import AbstractConnection
from shared.tests.conftest import Lane, NewLane

from telltale_shared.broker import Subscription, SubscriptionClosed, consume
from telltale_shared.testing import eventually
from telltale_shared.testing_proxy import TcpProxy

pytestmark = pytest.mark.anyio


class Collector:
    """Takes deliveries until it has ``wanted`` different bodies."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.bodies: list[bytes] = []
        self.redelivered: list[bytes] = []
        self.subscriptions = 0

    async def __call__(self, subscription: Subscription) -> None:
        self.subscriptions += 1
        while len(set(self.bodies)) < self.wanted:
            delivery = await subscription.get()
            self.bodies.append(delivery.body)
            if delivery.redelivered:
                self.redelivered.append(delivery.body)
            await subscription.acknowledge_through(delivery.tag)


async def _left(lane: Lane) -> int:
    async with lane.channel() as channel:
        return (await channel.declare_queue(lane.name, passive=True)).declaration_result.message_count or 0


async def test_deliveries_come_in_order_and_are_gone_when_acknowledged(new_lane: NewLane) -> None:
    lane, collector = new_lane(), Collector(50)
    sent = [b"%d" % n for n in range(50)]
    await lane.send(*sent)
    await consume(lane.link(), lane.name, collector, prefetch=10)
    assert collector.bodies == sent
    assert await _left(lane) == 0


async def test_one_acknowledgement_covers_all_before_it_and_prefetch_bounds_the_rest(new_lane: NewLane) -> None:
    lane = new_lane()
    await lane.send(*(b"%d" % n for n in range(9)))
    held: list[int] = []

    async def handle(subscription: Subscription) -> None:
        deliveries = [await subscription.get() for _ in range(4)]
        await asyncio.sleep(0.2)
        held.append(len(deliveries))
        assert subscription.get_nowait() is None
        await subscription.acknowledge_through(deliveries[2].tag)
        assert [(await subscription.get()).body for _ in range(3)] == [b"4", b"5", b"6"]
        assert subscription.get_nowait() is None

    await consume(lane.link(), lane.name, handle, prefetch=4)
    assert held == [4]
    again = Collector(6)
    await consume(lane.link(), lane.name, again, prefetch=10)
    # What was taken and not acknowledged comes again.
    assert sorted(again.bodies) == [b"3", b"4", b"5", b"6", b"7", b"8"]
    assert sorted(again.redelivered) == [b"3", b"4", b"5", b"6"]


async def test_a_cut_link_brings_a_new_subscription_and_the_unacknowledged_again(
    new_lane: NewLane, proxy: TcpProxy
) -> None:
    lane, ended = new_lane(), asyncio.Event()
    await lane.send(b"1", b"2")
    collector = Collector(2)

    async def handle(subscription: Subscription) -> None:
        if ended.is_set():
            await collector(subscription)
            return
        delivery = await subscription.get()
        await proxy.cut()
        # A transaction in progress is not cancelled: it ends, and learns of it when it acknowledges.
        await asyncio.sleep(0.3)
        ended.set()
        with pytest.raises(SubscriptionClosed):
            await subscription.acknowledge_through(delivery.tag)
        await proxy.mend()
        await subscription.get()

    await consume(lane.through(proxy).link(), lane.name, handle, prefetch=10)
    assert sorted(collector.bodies) == [b"1", b"2"]
    assert sorted(collector.redelivered) == [b"1", b"2"]


async def test_a_queue_deleted_under_the_consumer_is_declared_and_consumed_again(new_lane: NewLane) -> None:
    lane, collector = new_lane(), Collector(2)
    await lane.send(b"1")
    task = asyncio.create_task(consume(lane.link(), lane.name, collector, prefetch=10, watchdog=0.1))
    await eventually(lambda: collector.bodies == [b"1"])
    async with lane.channel() as channel:
        await channel.queue_delete(lane.name)
    await eventually(lambda: collector.subscriptions == 2)
    await lane.send(b"2")
    async with asyncio.timeout(60):
        await task
    assert collector.bodies == [b"1", b"2"]


async def test_an_error_of_the_handler_ends_the_consuming(new_lane: NewLane) -> None:
    lane = new_lane()

    async def handle(_: Subscription) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await consume(lane.link(), lane.name, handle, prefetch=10)


async def test_cancelling_gives_back_what_was_not_acknowledged(new_lane: NewLane) -> None:
    lane, taken = new_lane(), asyncio.Event()
    await lane.send(b"1")

    async def handle(subscription: Subscription) -> None:
        await subscription.get()
        taken.set()
        await subscription.get()

    task = asyncio.create_task(consume(lane.link(), lane.name, handle, prefetch=10))
    await taken.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    again = Collector(1)
    await consume(lane.link(), lane.name, again, prefetch=10)
    assert again.redelivered == [b"1"]


async def test_it_can_be_cancelled_while_a_transaction_outlasts_the_lost_link(
    new_lane: NewLane, proxy: TcpProxy
) -> None:
    lane, closed, ended = new_lane(), asyncio.Event(), asyncio.Event()
    await lane.send(b"1")

    async def handle(subscription: Subscription) -> None:
        await subscription.get()
        await proxy.cut()
        await eventually(lambda: subscription.closed)
        closed.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(consume(lane.through(proxy).link(), lane.name, handle, prefetch=10))
    async with asyncio.timeout(60):
        await closed.wait()
        await asyncio.sleep(0.2)  # by now the link waits for the transaction, and for nothing else
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended.is_set()


async def test_a_session_that_fails_at_once_is_tried_ever_more_slowly(
    new_lane: NewLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def at_once(_: float, longest: float) -> float:
        waits.append(longest)
        return 0.0

    monkeypatch.setattr("telltale_shared.broker.connection.random.uniform", at_once)

    async def session(_: AbstractConnection) -> None:
        if len(waits) < 7:
            raise ConnectionError

    await new_lane().link().run(session)
    assert waits == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
