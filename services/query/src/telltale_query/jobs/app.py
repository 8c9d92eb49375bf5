"""The jobs process, put together: it works on jobs and answers for its health."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from telltale_query import __version__
from telltale_query.jobs.housekeeping import Housekeeping
from telltale_query.jobs.pace import Pace
from telltale_query.jobs.registry import chores, clean_up, kinds
from telltale_query.jobs.runner import Runner
from telltale_query.settings import Settings
from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.database import create_engine, database_problem, in_transaction, wait_for_schema
from telltale_shared.health import Health
from telltale_shared.lifecycle import background, service_app
from telltale_shared.store.backlogs import readings_wait
from telltale_shared.store.schema import SCHEMA_VERSION
from telltale_shared.system_events import SystemEvents
from telltale_shared.topology import topology

POOL_SIZE = 8
STATEMENT_TIMEOUT = 60.0
"""Seconds; nobody waits for an answer here, but no statement may hold others up for long."""


def create_app(settings: Settings) -> FastAPI:
    """The app; its runner works for as long as it lives."""
    engine = create_engine(
        settings.database_url,
        settings.database_password.get_secret_value(),
        pool_size=POOL_SIZE,
        statement_timeout=STATEMENT_TIMEOUT,
    )
    address = BrokerAddress(settings.amqp_url, settings.amqp_password.get_secret_value())
    publisher = Publisher(address, topology(settings.store_partitions), name="jobs events")
    runner = Runner(engine, kinds(settings), Pace(partial(in_transaction, engine, readings_wait)))
    housekeeping = Housekeeping(
        engine,
        file_hours=settings.job_file_hours,
        job_days=settings.job_days,
        chores=chores(settings, engine),
    )
    health = Health({"database": lambda: database_problem(engine)})
    health.add("broker", lambda: publisher.problem, needed=False)
    events = SystemEvents(publisher, health, service="jobs", version=__version__, figures=lambda: dict(runner.figures))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            await asyncio.to_thread(clean_up)
            await wait_for_schema(engine, SCHEMA_VERSION)
            await stack.enter_async_context(publisher)
            tasks = {"jobs": runner.run, "housekeeping": housekeeping.run, "system events": events.run}
            await stack.enter_async_context(background(tasks))
            yield

    return service_app("jobs", version=__version__, settings=settings, health=health, lifespan=lifespan)
