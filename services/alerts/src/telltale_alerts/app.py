"""The composition root: what the alerts service is made of."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from fastapi import FastAPI

from telltale_alerts import __version__, audit_endpoints, schema
from telltale_alerts.alerts import endpoints as alerts
from telltale_alerts.housekeeping import Housekeeping
from telltale_alerts.monitor import Monitor
from telltale_alerts.rules import endpoints as rules
from telltale_alerts.rules.trial import Trials
from telltale_alerts.settings import Settings
from telltale_alerts.silences import endpoints as silences
from telltale_alerts.webhooks import endpoints as webhooks
from telltale_alerts.webhooks.dispatcher import Dispatcher, http_client
from telltale_alerts.webhooks.service import WebhookService
from telltale_shared.body_limit import BodyLimit
from telltale_shared.broker import BrokerAddress, Link, Publisher
from telltale_shared.database import create_engine, database_problem, wait_for_schema
from telltale_shared.database_failures import answer_database_failures
from telltale_shared.health import Health
from telltale_shared.lifecycle import background, service_app
from telltale_shared.outbox import Outbox
from telltale_shared.security import TokenVerifier
from telltale_shared.security.feed import RevocationFeed
from telltale_shared.system_events import SystemEvents, now_us
from telltale_shared.topology import topology

API = "/api/v1"
BODY_LIMIT = 131_072
"""Bytes; the longest body is a rule with its names."""


def create_app(settings: Settings, *, verifier: TokenVerifier | None = None) -> FastAPI:
    """The application.

    Args:
        settings: where everything is.
        verifier: of access tokens; the default asks auth for its keys.
    """
    engine = create_engine(settings.database_url, settings.database_password.get_secret_value())
    address = BrokerAddress(settings.amqp_url, settings.amqp_password.get_secret_value())
    declared = topology(settings.store_partitions)
    verifier = verifier or TokenVerifier(settings.auth_url)
    link = Link(address, declared, name="alerts: live stream")
    publisher = Publisher(address, declared, name="alerts: changes")
    outbox = Outbox(engine, publisher, schema.outbox, holds="changes of alerts")
    calls, past = http_client(), httpx.AsyncClient(trust_env=False)
    dispatcher = Dispatcher(engine, calls, private=settings.webhook_private_addresses)

    def told() -> None:
        outbox.wake()
        dispatcher.wake()

    monitor = Monitor(engine, link, max_series=settings.max_series, clock=now_us, told=told)
    housekeeping = Housekeeping(
        engine, monitor, history_days=settings.history_days, series_days=settings.forget_series_days
    )
    revocations = RevocationFeed(address, declared, publisher, verifier.revocations, name="alerts")
    health = Health(
        {
            "database": lambda: database_problem(engine),
            "live stream": lambda: link.problem,
            "evaluation": lambda: monitor.problem,
        }
    )
    for name, check in {
        "broker": lambda: publisher.problem,
        "keys": verifier.problem,
        "revocations": lambda: revocations.problem,
    }.items():
        health.add(name, check, needed=False)  # whoever evaluates goes on without them
    events = SystemEvents(publisher, health, service="alerts", version=__version__, figures=monitor.figures)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            stack.push_async_callback(calls.aclose)
            stack.push_async_callback(past.aclose)
            await wait_for_schema(engine, schema.SCHEMA_VERSION)
            await monitor.begin()
            await stack.enter_async_context(publisher)
            tasks = {
                "system events": events.run,
                "revocations": revocations.run,
                "outbox": outbox.run,
                "webhooks": dispatcher.run,
                "live stream": monitor.run,
                "place in the stream": monitor.keep,
                "housekeeping": housekeeping.run,
            }
            await stack.enter_async_context(background(tasks))
            await revocations.catch_up()
            yield

    app = service_app("alerts", version=__version__, settings=settings, health=health, lifespan=lifespan)
    app.add_middleware(BodyLimit, max_bytes=BODY_LIMIT)
    app.state.settings = settings
    app.state.engine = engine
    app.state.verifier = verifier
    app.state.monitor = monitor
    app.state.trials = Trials(settings.query_url, past)
    app.state.webhooks = WebhookService(engine, dispatcher, private=settings.webhook_private_addresses)
    answer_database_failures(app)
    for router in (alerts.router, rules.router, silences.router, webhooks.router, audit_endpoints.router):
        app.include_router(router, prefix=API)
    return app
