"""The detector's composition root."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

from telltale_detector import __version__
from telltale_detector.announcer import Announcer
from telltale_detector.consumer import Consumer, OneSessionLink
from telltale_detector.settings import Settings
from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.health import Health
from telltale_shared.lifecycle import background, service_app
from telltale_shared.system_events import SystemEvents, now_us
from telltale_shared.topology import topology

log = structlog.get_logger("telltale.detector")

LAST_CHECKPOINT_TIMEOUT = 5.0
"""Seconds at shutdown for the last anomalies to be confirmed; without it the next start scores a little again."""


def create_app(settings: Settings) -> FastAPI:
    """The detector: health and metrics outside, the consumer inside."""
    address = BrokerAddress(settings.amqp_url, settings.amqp_password.get_secret_value())
    declared = topology(settings.store_partitions)
    link = OneSessionLink(address, declared, name="detector: live stream")
    publisher = Publisher(address, declared, name="detector: anomalies")
    announcer = Announcer(publisher)
    consumer = Consumer(settings, link, announcer, now_us)
    health = Health(
        {
            "live stream": lambda: link.problem,
            "broker": lambda: publisher.problem,
            "checkpoint": lambda: consumer.problem,
        }
    )
    events = SystemEvents(publisher, health, service="detector", version=__version__, figures=consumer.figures)

    async def tell_expectations() -> None:
        await consumer.expectations.run(publisher, now_us)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with publisher, background({"system events": events.run, "announcer": announcer.run}):
            tasks = {"consumer": consumer.run, "checkpoints": consumer.keep, "expectations": tell_expectations}
            async with background(tasks):
                yield
            try:
                async with asyncio.timeout(LAST_CHECKPOINT_TIMEOUT):
                    await consumer.checkpoint()
            except TimeoutError:
                log.warning("no last checkpoint: anomalies are not confirmed", waiting=announcer.waiting)

    return service_app("detector", version=__version__, settings=settings, health=health, lifespan=lifespan)
