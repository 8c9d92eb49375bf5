"""A queue of an earlier version: emptied in order, then gone, and nothing published meanwhile is lost."""

import asyncio
from dataclasses import replace

import pytest
from aio_pika.exceptions import ChannelNotFoundEntity
from shared.tests.conftest import Lane, NewLane

from telltale_shared.broker import Link, Publisher, Subscription, consume, retire
from telltale_shared.testing import eventually
from telltale_shared.topology import EXCHANGE, Argument, Exchange, Queue, Topology

pytestmark = pytest.mark.anyio


class Hands:
    """Takes and acknowledges deliveries for good."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, subscription: Subscription) -> None:
        while True:
            delivery = await subscription.get()
            self.bodies.append(delivery.body)
            await subscription.acknowledge_through(delivery.tag)


def successor(lane: Lane) -> Topology:
    """The same lane after an upgrade: a queue with other arguments has another name, and the same bindings."""
    arguments: dict[str, Argument] = {"x-queue-type": "quorum", "x-max-length": 1_000}
    queue = Queue(f"{lane.name}.2", arguments, ((EXCHANGE, lane.name),), former=(lane.name,))
    return Topology((Exchange(EXCHANGE, "topic"),), (queue,))


async def exists(lane: Lane, name: str) -> bool:
    async with lane.channel() as channel:
        try:
            await channel.declare_queue(name, passive=True)
        except ChannelNotFoundEntity:
            return False
    return True


async def test_what_waits_is_taken_first_and_nothing_is_lost_meanwhile(new_lane: NewLane) -> None:
    lane, hands = new_lane(), Hands()
    await lane.send(*(b"%d" % n for n in range(200)))
    topology = successor(lane)
    queue = topology.queue(f"{lane.name}.2")
    async with Publisher(lane.address, topology, name="test") as publisher:
        await publisher.publish(lane.name, b"both", schema="x")  # declared by now: both queues are bound
        for name in queue.former:
            await retire(Link(lane.address, topology, name="test"), name, queue.bindings, hands, prefetch=20)
        assert hands.bodies == [*(b"%d" % n for n in range(200)), b"both"]
        assert not await exists(lane, lane.name)
        await publisher.publish(lane.name, b"later", schema="x")
    task = asyncio.create_task(consume(Link(lane.address, topology, name="test"), queue.name, hands, prefetch=20))
    try:
        await eventually(lambda: hands.bodies[201:] == [b"both", b"later"])
    finally:
        task.cancel()


async def test_where_there_is_none_it_goes_on_at_once(new_lane: NewLane) -> None:
    lane, hands = new_lane(), Hands()
    await lane.send(b"1")
    link = replace(lane, name=f"{lane.name}.2").link()
    async with asyncio.timeout(60):
        await retire(link, "test.never-there", ((EXCHANGE, "x"),), hands, prefetch=1)
    assert hands.bodies == []


async def test_it_waits_for_a_consumer_of_the_version_before(new_lane: NewLane) -> None:
    lane = new_lane({"x-queue-type": "quorum", "x-single-active-consumer": True})
    await lane.send(b"1", b"2")
    release = asyncio.Event()
    before, after = Hands(), Hands()

    async def holding(subscription: Subscription) -> None:
        """Took both, has not committed yet."""
        taken = [await subscription.get(), await subscription.get()]
        await release.wait()
        before.bodies += [one.body for one in taken]
        await subscription.acknowledge_through(taken[-1].tag)

    old = asyncio.create_task(consume(lane.link(), lane.name, holding, prefetch=10))

    async def taken() -> bool:
        async with lane.channel() as channel:
            declared = (await channel.declare_queue(lane.name, passive=True)).declaration_result
        return (declared.message_count, declared.consumer_count) == (0, 1)

    await eventually(taken)
    topology = successor(lane)
    link = Link(lane.address, topology, name="test")
    new = asyncio.create_task(retire(link, lane.name, ((EXCHANGE, lane.name),), after, prefetch=10))
    await asyncio.sleep(1.5)
    assert await exists(lane, lane.name), "deleted under a consumer that holds messages"
    release.set()
    await old
    async with asyncio.timeout(60):
        await new
    assert (before.bodies, after.bodies) == ([b"1", b"2"], [])
    assert not await exists(lane, lane.name)
