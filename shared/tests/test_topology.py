"""The topology as data, and as the broker holds it."""

import asyncio
from collections.abc import Callable

import pytest

from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.testing import Access, Servers, eventually
from telltale_shared.topology import (
    DEAD_EXCHANGE,
    DEAD_QUEUE,
    DELIVERY_LIMIT,
    EVENTS_QUEUE,
    EXCHANGE,
    LIVE_STREAM,
    UNLIMITED,
    readings_queue,
    store_readings,
    topology,
)


def test_each_partition_has_a_queue_of_its_own() -> None:
    names = [queue.name for queue in topology(3).queues]
    assert names == [
        "readings.store.0",
        "readings.store.1",
        "readings.store.2",
        EVENTS_QUEUE,
        DEAD_QUEUE,
        LIVE_STREAM,
        "identity",
    ]
    keys = [binding for queue in topology(3).queues[:3] for binding in queue.bindings]
    assert keys == [(EXCHANGE, store_readings(n)) for n in range(3)]


@pytest.mark.parametrize("name", [readings_queue(0), EVENTS_QUEUE])
def test_a_store_queue_refuses_rather_than_loses(name: str) -> None:
    (queue,) = [queue for queue in topology(store_max_length=7).queues if queue.name == name]
    arguments = queue.arguments
    assert arguments["x-queue-type"] == "quorum"
    assert arguments["x-single-active-consumer"] is True
    assert arguments["x-overflow"] == "reject-publish"
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
    assert arguments["x-dead-letter-exchange"] == DEAD_EXCHANGE
    # 4.x gives up after 20 by itself.
    assert arguments["x-delivery-limit"] == DELIVERY_LIMIT > 20
    assert topology(store_max_length=7).queues[0].arguments["x-max-length"] == 7
    assert arguments["x-max-length-bytes"]


def test_the_dead_letters_end_in_a_queue_that_drops_nothing() -> None:
    (dead,) = [queue for queue in topology().queues if queue.name == DEAD_QUEUE]
    assert dead.bindings == ((DEAD_EXCHANGE, "#"),)
    # No length limit, and no number of deliveries after which 4.x would drop a message.
    assert dead.arguments == {"x-queue-type": "quorum", "x-delivery-limit": UNLIMITED}


def test_the_live_stream_is_bounded_by_age_and_bytes() -> None:
    (live,) = [queue for queue in topology().queues if queue.name == LIVE_STREAM]
    assert live.arguments["x-queue-type"] == "stream"
    assert {"x-max-age", "x-max-length-bytes"} <= live.arguments.keys()
    segment, total = live.arguments["x-stream-max-segment-size-bytes"], live.arguments["x-max-length-bytes"]
    assert isinstance(segment, int)
    assert isinstance(total, int)
    # The broker forgets whole segments only.
    assert segment * 10 <= total


@pytest.mark.anyio
async def test_the_broker_takes_it_twice_and_holds_it_as_written(
    servers: Servers, new_broker: Callable[[], Access]
) -> None:
    access = new_broker()
    vhost = access.url.rpartition("/")[2]
    await _declare(access)
    await _declare(access)
    listed = await asyncio.to_thread(
        servers.run_rabbitmqctl, "list_queues", "-p", vhost, "--no-table-headers", "name", "type", "durable"
    )
    held = {tuple(line.split("\t")) for line in listed.splitlines()}
    assert held == {(queue.name, str(queue.arguments["x-queue-type"]), "true") for queue in topology(2).queues}


async def _declare(access: Access) -> None:
    async with Publisher(BrokerAddress(access.url, access.password), topology(2), name="test") as publisher:
        await eventually(lambda: publisher.problem is None)


def test_no_name_is_used_twice_for_other_arguments() -> None:
    """Arguments belong to a name for ever: a changed one needs a new name, the old one among the former."""
    queues = topology().queues
    names = [name for queue in queues for name in (queue.name, *queue.former)]
    assert len(names) == len(set(names))
    assert topology().queue(EVENTS_QUEUE).bindings == ((EXCHANGE, "store.events"),)
