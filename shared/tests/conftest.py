"""A queue, a quorum queue with room for one and a stream of a test's own, on the session's virtual host."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from telltale_shared.broker import BrokerAddress, Link, Publisher
from telltale_shared.testing import Access
from telltale_shared.testing_proxy import TcpProxy
from telltale_shared.topology import EXCHANGE, Argument, Exchange, Queue, Topology

SCHEMA = "reading_batch/1"


@dataclass(frozen=True)
class Lane:
    """One queue with the routing key that leads to it, and ways to reach it."""

    access: Access
    name: str
    arguments: dict[str, Argument]

    @property
    def topology(self) -> Topology:
        """The exchange and this queue alone."""
        queue = Queue(self.name, self.arguments, ((EXCHANGE, self.name),))
        return Topology((Exchange(EXCHANGE, "topic"),), (queue,))

    @property
    def address(self) -> BrokerAddress:
        """Where its broker is."""
        return BrokerAddress(self.access.url, self.access.password)

    def through(self, proxy: TcpProxy) -> "Lane":
        """The same queue, reached through a proxy."""
        return replace(self, access=replace(self.access, url=proxy.url(self.access.url)))

    def publisher(self) -> Publisher:
        """A publisher that declares this queue."""
        return Publisher(self.address, self.topology, name="test publisher")

    def link(self) -> Link:
        """A link that declares this queue."""
        return Link(self.address, self.topology, name="test consumer")

    async def send(self, *bodies: bytes) -> None:
        """Publish messages one by one, past everything that is under test but the publisher."""
        async with self.publisher() as publisher:
            for body in bodies:
                await publisher.publish(self.name, body, schema=SCHEMA)

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        """A plain channel of the client library."""
        async with await aio_pika.connect(self.address.with_password()) as connection:
            yield await connection.channel()


NewLane = Callable[..., Lane]


@pytest.fixture
def new_lane(broker: Access) -> NewLane:
    """A function that makes a lane; queue arguments as a dict."""

    def make(arguments: dict[str, Argument] | None = None) -> Lane:
        return Lane(broker, f"test.{secrets.token_hex(4)}", arguments or {"x-queue-type": "quorum"})

    return make


@pytest.fixture
async def proxy(broker: Access) -> AsyncIterator[TcpProxy]:
    """A network that can be cut."""
    async with TcpProxy.before(broker.url) as proxy:
        yield proxy
