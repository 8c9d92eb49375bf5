"""Queues of earlier versions: emptied into the hands that take their successor's messages, then deleted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq.abc import AbstractChannel

from telltale_shared.broker.connection import Link
from telltale_shared.broker.consumer import Subscription, SubscriptionClosed

log = structlog.get_logger("telltale.broker")

LOOK_PERIOD = 0.5
"""Seconds between two looks at whether the queue is empty."""


async def retire(
    link: Link,
    queue: str,
    bindings: Sequence[tuple[str, str]],
    handle: Callable[[Subscription], Awaitable[None]],
    *,
    prefetch: int,
) -> None:
    """Have ``handle`` take all that waits in ``queue``, then delete it; at once where there is none.

    Its successor is bound already: what is published from the first moment on goes there as well, so unbinding loses
    nothing, and what both have got is recognised when it comes the second time. To be done before anything is taken
    from the successor, whose messages are later ones.

    Args:
        link: the supervised connection; nothing else may run on it.
        queue: its name.
        bindings: the (exchange, pattern) pairs that feed it.
        handle: takes deliveries and acknowledges them, as for :func:`telltale_shared.broker.consume`.
        prefetch: deliveries that may be unacknowledged at once.
    """

    async def session(connection: AbstractConnection) -> None:
        while (found := await _look(connection, queue)) is not None:
            waiting, consumers = found
            if not waiting and consumers:  # a service of the version before has not ended yet
                await asyncio.sleep(LOOK_PERIOD)
                continue
            channel = await (await connection.channel(publisher_confirms=False)).get_underlay_channel()
            for exchange, pattern in bindings:
                await channel.queue_unbind(queue, exchange, pattern)
            if waiting:
                log.info("a queue of an earlier version is emptied", queue=queue, waiting=waiting)
                await _empty(connection, channel, queue, handle, prefetch)
            else:
                await channel.queue_delete(queue)
                log.info("a queue of an earlier version is deleted", queue=queue)
            await channel.close()

    await link.run(session)


async def _look(connection: AbstractConnection, queue: str) -> tuple[int, int] | None:
    """Messages that are ready in ``queue``, and its consumers; None where it does not exist."""
    # A channel of its own: the broker closes it when there is no such queue.
    async with connection.channel() as channel:
        try:
            declared = (await channel.declare_queue(queue, passive=True)).declaration_result
        except ChannelNotFoundEntity:
            return None
        return declared.message_count or 0, declared.consumer_count or 0


async def _empty(
    connection: AbstractConnection,
    channel: AbstractChannel,
    queue: str,
    handle: Callable[[Subscription], Awaitable[None]],
    prefetch: int,
) -> None:
    """Consume until nothing is ready. What is not acknowledged by then goes back, and shows at the next look."""
    await channel.basic_qos(prefetch_count=prefetch)
    subscription = Subscription(channel)
    await channel.basic_consume(queue, subscription.arrive)
    work = asyncio.ensure_future(handle(subscription))
    try:
        while not work.done() and (found := await _look(connection, queue)) and found[0]:
            await asyncio.wait((work,), timeout=LOOK_PERIOD)
        # Whoever holds a batch commits and acknowledges it in this time.
        await asyncio.wait((work,), timeout=LOOK_PERIOD)
    finally:
        subscription.close()
        with suppress(SubscriptionClosed):
            await work
