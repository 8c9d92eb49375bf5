"""The life of a connection: connect, declare the topology, run a session, and again when it ends."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from yarl import URL

from telltale_shared.topology import Topology

log = structlog.get_logger("telltale.broker")

CONNECT_TIMEOUT = 10.0
CLOSE_TIMEOUT = 1.0
HEARTBEAT = 5
"""Seconds. The client library gives up a peer that has been silent for three of these and three seconds more."""
BACKOFF_FIRST, BACKOFF_LAST = 0.2, 2.0
"""Seconds between attempts: doubled each time, with jitter, until a session has lasted for longer than the last."""


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker is and how to log in. The URL holds no password, so it may be logged."""

    url: str
    password: str

    def with_password(self) -> URL:
        """The complete URL for the client library."""
        return URL(self.url).with_password(self.password) if self.password else URL(self.url)


class LinkClosed(ConnectionError):
    """The connection under a session ended."""


@contextmanager
def honest_errors() -> Iterator[None]:
    """Says ConnectionError where the client library cancels whoever waits on a connection that it gives up.

    Such a CancelledError comes out of a task that nobody has cancelled, and would end it without a word.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise LinkClosed("the connection was given up") from error


class Link:
    """One supervised connection, rebuilt with jittered back-off for as long as :meth:`run` runs."""

    def __init__(self, address: BrokerAddress, topology: Topology, *, name: str) -> None:
        self._address = address
        self._topology = topology
        self._name = name
        self._problem: str | None = "not connected yet"

    @property
    def problem(self) -> str | None:
        """Why there is no usable connection right now, or None."""
        return self._problem

    async def run(self, session: Callable[[AbstractConnection], Awaitable[None]]) -> None:
        """Run ``session`` over a fresh connection, again and again, until it returns by itself.

        A session that raises a connection error, or whose connection ends, is run again over a new connection; any
        other exception is the caller's. On a lost connection the session is cancelled.
        """
        delay = BACKOFF_FIRST
        while True:
            begun = time.monotonic()
            try:
                with honest_errors():
                    connection = await self._connect()
            except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
                self._problem = f"cannot connect: {error or type(error).__name__}"
                log.warning("broker unreachable", link=self._name, url=self._address.url, error=repr(error))
            else:
                try:
                    self._problem = None
                    with honest_errors():
                        await _run_until_closed(connection, session(connection))
                except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
                    self._problem = f"connection lost: {error or type(error).__name__}"
                    log.warning("broker connection lost", link=self._name, error=repr(error))
                else:
                    return
                finally:
                    await _close(connection)
                if time.monotonic() - begun > BACKOFF_LAST:
                    delay = BACKOFF_FIRST
            await asyncio.sleep(random.uniform(delay / 2, delay))
            delay = min(delay * 2, BACKOFF_LAST)

    async def _connect(self) -> AbstractConnection:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            connection = await aio_pika.connect(
                self._address.with_password(),
                client_properties={"connection_name": self._name},
                heartbeat=HEARTBEAT,
            )
            try:
                async with connection.channel() as channel:
                    await declare(channel, self._topology)
            except BaseException:
                await _close(connection)
                raise
            return connection


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    """Declare every exchange, queue and binding of ``topology``; those that exist are left as they are."""
    for exchange in topology.exchanges:
        await channel.declare_exchange(exchange.name, exchange.kind, durable=True)
    for queue in topology.queues:
        declared = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
        for exchange_name, pattern in queue.bindings:
            await declared.bind(exchange_name, pattern)


async def _run_until_closed(connection: AbstractConnection, session: Awaitable[None]) -> None:
    closed = asyncio.get_running_loop().create_future()

    def on_close(_: object, error: BaseException | None) -> None:
        if not closed.done():
            closed.set_result(error)

    connection.close_callbacks.add(on_close)
    work = asyncio.ensure_future(session)
    try:
        await asyncio.wait((work, closed), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
            return
        raise LinkClosed(str(closed.result() or "closed by the broker"))
    finally:
        closed.cancel()
        if not work.done():
            work.cancel()
            await _ended(work)


async def _ended(work: "asyncio.Future[None]") -> None:
    """Wait until ``work``, which was cancelled, has ended. Being cancelled meanwhile cancels it once more."""
    try:
        await asyncio.wait((work,))
    except asyncio.CancelledError:
        work.cancel()
        await asyncio.wait((work,))
        raise
    if not work.cancelled() and (error := work.exception()) and not isinstance(error, CONNECTION_EXCEPTIONS):
        raise error


async def _close(connection: AbstractConnection) -> None:
    with suppress(TimeoutError, *CONNECTION_EXCEPTIONS), honest_errors():
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await connection.close()
