"""Publishing with confirms: a call returns when the broker has taken the message, or raises."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, HeadersType
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError

from telltale_shared.broker.connection import BrokerAddress, Link, honest_errors
from telltale_shared.topology import EXCHANGE, Topology


class PublishFailed(Exception):
    """The broker did not confirm a message; sending the same bytes again is safe."""


class PublishRefused(PublishFailed):
    """The broker answered no: the queue is full, or nothing is bound to the routing key."""


class PublishUnconfirmed(PublishFailed):
    """No answer: not connected, the connection was lost, or the time ran out."""


class Publisher:
    """A connection that publishes to the exchange ``telltale``. Use as an async context manager.

    Entering does not wait for the broker: a message published before there is a connection waits for one, within its
    own timeout.
    """

    def __init__(self, address: BrokerAddress, topology: Topology, *, name: str) -> None:
        self._link = Link(address, topology, name=name)
        self._exchange: AbstractExchange | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        """Why nothing can be published right now, or None."""
        return self._link.problem

    async def __aenter__(self) -> "Publisher":
        self._task = asyncio.create_task(self._link.run(self._session), name="publisher")
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._task is not None  # noqa: S101 - entered before left
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def publish(
        self,
        routing_key: str,
        body: bytes,
        *,
        schema: str,
        headers: Mapping[str, str | int] | None = None,
        persistent: bool = True,
        timeout: float = 10.0,  # noqa: ASYNC109 - covers waiting for a connection, the socket and the confirm as one
    ) -> None:
        """Publish one message and wait for the broker's confirm.

        Raises:
            PublishRefused: the broker said no.
            PublishUnconfirmed: no answer within ``timeout`` seconds, or the connection was lost.
        """
        message_headers: HeadersType = dict(headers or {})
        message = aio_pika.Message(
            body,
            content_type="application/json",
            type=schema,
            headers=message_headers,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT if persistent else aio_pika.DeliveryMode.NOT_PERSISTENT,
        )
        try:
            with honest_errors():
                async with asyncio.timeout(timeout):
                    await self._ready.wait()
                    exchange = self._exchange
                    if exchange is None:
                        raise PublishUnconfirmed("the connection was lost")
                    await exchange.publish(message, routing_key, mandatory=True)
        except PublishError as error:
            raise PublishRefused(f"nothing is bound to {routing_key}") from error
        except DeliveryError as error:
            raise PublishRefused(f"the broker refused a message for {routing_key}: a queue is full") from error
        except TimeoutError as error:
            raise PublishUnconfirmed(
                f"no confirm within {timeout:g} s ({self._link.problem or 'broker silent'})"
            ) from error
        except CONNECTION_EXCEPTIONS as error:
            raise PublishUnconfirmed(f"the connection was lost: {error!r}") from error

    async def _session(self, connection: AbstractConnection) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        closed = _closed(channel)
        try:
            self._exchange = await channel.get_exchange(EXCHANGE, ensure=False)
            self._ready.set()
            await closed.wait()
            raise ConnectionError("the publishing channel was closed")
        finally:
            self._ready.clear()
            self._exchange = None


def _closed(channel: AbstractChannel) -> asyncio.Event:
    event = asyncio.Event()
    channel.close_callbacks.add(lambda *_: event.set())
    return event
