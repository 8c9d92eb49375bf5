"""RabbitMQ: a supervised connection, confirmed publishing, consuming a queue, following a stream.

The only place that knows aio-pika. Publishing and consuming use connections of their own, since a broker in alarm
blocks the connections that publish.
"""

from telltale_shared.broker.connection import BrokerAddress, Link
from telltale_shared.broker.consumer import Delivery, Subscription, SubscriptionClosed, consume
from telltale_shared.broker.publisher import (
    Publisher,
    PublishFailed,
    PublishRefused,
    PublishUnconfirmed,
)
from telltale_shared.broker.retirement import retire
from telltale_shared.broker.stream import Place, StreamEvent, StreamOffset, follow

__all__ = [
    "BrokerAddress",
    "Delivery",
    "Link",
    "Place",
    "PublishFailed",
    "PublishRefused",
    "PublishUnconfirmed",
    "Publisher",
    "StreamEvent",
    "StreamOffset",
    "Subscription",
    "SubscriptionClosed",
    "consume",
    "follow",
    "retire",
]
