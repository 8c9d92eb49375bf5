"""The broker's topology as data: every exchange, queue, argument and binding, declared from here and nowhere else."""

from dataclasses import dataclass, field

Argument = str | int | bool


@dataclass(frozen=True)
class Exchange:
    """An exchange: where messages are published to."""

    name: str
    kind: str


@dataclass(frozen=True)
class Queue:
    """A durable queue or stream with its arguments and the (exchange, pattern) pairs that feed it.

    Arguments never change under one name, which the broker would refuse: a queue with other arguments gets another
    name, and the one before becomes one of its ``former``.
    """

    name: str
    arguments: dict[str, Argument]
    bindings: tuple[tuple[str, str], ...]
    former: tuple[str, ...] = ()
    """Names that the queue had in earlier versions, oldest first: whoever consumes it empties and deletes those."""


@dataclass(frozen=True)
class Topology:
    """All that is declared on a connection before it is used."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    partitions: int = field(default=1)

    def queue(self, name: str) -> Queue:
        """The queue ``name``."""
        return {queue.name: queue for queue in self.queues}[name]


EXCHANGE = "telltale"
DEAD_EXCHANGE = "telltale.dead"

DEAD_QUEUE = "readings.dead"
EVENTS_QUEUE = "events.store"
LIVE_STREAM = "live"
IDENTITY_STREAM = "identity"

STORE_EVENTS = "store.events"
LIVE_READINGS = "live.readings"
LIVE_ANOMALY = "live.anomaly"
LIVE_EXPECTED = "live.expected"
LIVE_SYSTEM = "live.system"
LIVE_ALERTS = "live.alerts"
LIVE_SENSITIVITIES = "live.sensitivities"
IDENTITY_REVOCATIONS = "identity.revocations"
IDENTITY_FENCES = "identity.fences"

DELIVERY_LIMIT = 1_000
"""Redeliveries before the broker dead-letters a message. Explicit: 3.10 has no default, 4.x has 20."""


UNLIMITED = 1_000_000_000
STORE_BYTES = 10_000_000_000
"""Bytes that a store queue holds before it refuses more: deliveries may be 8 readings or 1,000."""


def readings_queue(partition: int) -> str:
    """Name of the queue that the writer of ``partition`` consumes."""
    return f"readings.store.{partition}"


def store_readings(partition: int) -> str:
    """Routing key of readings to be stored by the writer of ``partition``."""
    return f"store.readings.{partition}"


def _quorum(max_length: int) -> dict[str, Argument]:
    return {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-overflow": "reject-publish",
        "x-max-length": max_length,
        "x-max-length-bytes": STORE_BYTES,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-strategy": "at-least-once",
    }


def topology(partitions: int = 1, *, store_max_length: int = 1_000_000) -> Topology:
    """The whole topology.

    Args:
        partitions: how many store queues there are; a producer always uses the same one.
        store_max_length: deliveries that a store queue holds before it refuses more.
    """
    stores = tuple(
        Queue(readings_queue(n), _quorum(store_max_length), ((EXCHANGE, store_readings(n)),)) for n in range(partitions)
    )
    events = Queue(EVENTS_QUEUE, _quorum(100_000), ((EXCHANGE, STORE_EVENTS),))
    # The last stop of a message: nothing dead-letters it further; it may wait, and come again, as often as it takes.
    dead = Queue(DEAD_QUEUE, {"x-queue-type": "quorum", "x-delivery-limit": UNLIMITED}, ((DEAD_EXCHANGE, "#"),))
    live = Queue(
        LIVE_STREAM,
        {
            "x-queue-type": "stream",
            "x-max-age": "1h",
            "x-max-length-bytes": 1_000_000_000,
            "x-stream-max-segment-size-bytes": 16_000_000,
        },
        ((EXCHANGE, "live.#"),),
    )
    # Read from its last minutes on by every service that starts: who lost a right, as long as a token could claim it.
    identity = Queue(
        IDENTITY_STREAM,
        {
            "x-queue-type": "stream",
            "x-max-age": "1h",
            "x-max-length-bytes": 50_000_000,
            "x-stream-max-segment-size-bytes": 1_000_000,
        },
        ((EXCHANGE, "identity.#"),),
    )
    return Topology(
        exchanges=(Exchange(EXCHANGE, "topic"), Exchange(DEAD_EXCHANGE, "topic")),
        queues=(*stores, events, dead, live, identity),
        partitions=partitions,
    )
