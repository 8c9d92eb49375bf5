"""The generator put together: broker, spool, publisher, source, REST."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from fastapi import FastAPI

from telltale_generator import __version__
from telltale_generator.endpoints import router
from telltale_generator.feed import Feed
from telltale_generator.metrics import Figures, metrics_of
from telltale_generator.publisher import ReadingPublisher
from telltale_generator.settings import Settings
from telltale_generator.sources.catalogue import SourceUnusable, make_source
from telltale_generator.spool import Spool, SpoolUnusable
from telltale_shared.body_limit import BodyLimit
from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.health import Health
from telltale_shared.lifecycle import background, service_app
from telltale_shared.security import TokenVerifier
from telltale_shared.security.feed import RevocationFeed
from telltale_shared.system_events import SystemEvents, now_us
from telltale_shared.topology import topology

log = structlog.get_logger("telltale.generator")

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes; room for the readings that one request may hold."""
FLUSH_SECONDS = 2.0
"""How long a stopping generator waits for the last confirms; what is missing then goes out at the next start."""
GOODBYE_SECONDS = 1.0
"""How long its last heartbeat may take; without it the next start closes this producer."""


def create_app(settings: Settings) -> FastAPI:
    """The ASGI app of one generator."""
    health = Health()
    verifier = TokenVerifier(settings.auth_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            source = await make_source(settings.source, settings)
            spool = Spool(settings.spool_dir)
        except (SourceUnusable, SpoolUnusable) as error:
            log.critical("the generator cannot start", reason=str(error))
            raise
        address = BrokerAddress(settings.amqp_url, settings.amqp_password.get_secret_value())
        declared = topology(settings.store_partitions)
        async with Publisher(address, declared, name=settings.name) as broker:
            publisher = ReadingPublisher(
                broker,
                spool,
                service=settings.name,
                partition=settings.partition,
                max_bytes=settings.spool_max_bytes,
                clock=now_us,
            )
            feed = Feed(publisher, name=settings.source, source=source, rate=settings.rate, clock=now_us)
            events = SystemEvents(
                broker,
                health,
                service=settings.name,
                version=__version__,
                figures=Figures(publisher),
                producers=publisher.states,
                on_reported=publisher.note_reported,
            )
            revocations = RevocationFeed(address, declared, broker, verifier.revocations, name=settings.name)
            health.add("broker", lambda: broker.problem)
            # A late revocation keeps no reading out: the service is ready without it, and only says so.
            health.add("revocations", lambda: revocations.problem, needed=False)
            health.add("spool", lambda: publisher.spool_problem)
            app.state.publisher, app.state.feed = publisher, feed
            try:
                tasks = {
                    "publisher": publisher.run,
                    "system events": events.run,
                    "revocations": revocations.run,
                }
                async with background(tasks):
                    with metrics_of(publisher):
                        async with background({"feed": feed.run}):
                            await revocations.catch_up()
                            yield
                    publisher.end()
                    if await publisher.flush(FLUSH_SECONDS):
                        with suppress(TimeoutError):
                            async with asyncio.timeout(GOODBYE_SECONDS):
                                await events.publish_now()
                    else:
                        log.warning("unconfirmed deliveries stay spooled", deliveries=publisher.spool_deliveries)
            finally:
                publisher.close()

    app = service_app("generator", version=__version__, settings=settings, health=health, lifespan=lifespan)
    app.add_middleware(BodyLimit, max_bytes=BODY_LIMIT)
    app.state.verifier = verifier
    app.state.settings = settings
    app.include_router(router, prefix="/api/v1")
    return app
