"""The composition root: what query is made of."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from telltale_query import __version__
from telltale_query.analytics.endpoints import router as analytics
from telltale_query.anomalies.endpoints import router as anomalies
from telltale_query.dead_letters.endpoints import router as dead_letters
from telltale_query.deletions.endpoints import router as deletions
from telltale_query.exports.endpoints import router as exports
from telltale_query.exports.kept import KeptExports
from telltale_query.exports.service import DIRECT_ROWS_AT_ONCE, DirectExports, Exporter
from telltale_query.heap import settle
from telltale_query.imports.endpoints import router as imports
from telltale_query.jobs.endpoints import router as jobs
from telltale_query.ledger.endpoints import router as ledger
from telltale_query.records.endpoints import router as records
from telltale_query.sensitivity.announcer import SensitivityAnnouncer
from telltale_query.sensitivity.endpoints import router as sensitivity
from telltale_query.sensitivity.service import Trials
from telltale_query.series.endpoints import router as series
from telltale_query.settings import Settings
from telltale_query.system.endpoints import router as system
from telltale_query.system.service import StatusReporter
from telltale_shared.body_limit import BodyLimit
from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.broker.inspection import QueueInspector
from telltale_shared.database import create_engine, database_problem, wait_for_schema
from telltale_shared.database_failures import answer_database_failures
from telltale_shared.health import Health
from telltale_shared.lifecycle import background, service_app
from telltale_shared.security import TokenVerifier
from telltale_shared.security.feed import RevocationFeed
from telltale_shared.store.schema import SCHEMA_VERSION
from telltale_shared.system_events import SystemEvents
from telltale_shared.topology import topology

API = "/api/v1"
BODY_LIMIT = 65_536
"""Bytes; the largest body is a record with its note."""
UPLOADS = ("/imports", "/imports/preview")
"""They read their bodies as these come and have a limit of their own."""


def create_app(settings: Settings, *, verifier: TokenVerifier | None = None) -> FastAPI:
    """The application.

    Args:
        settings: where everything is.
        verifier: of access tokens; the default asks auth for its keys.
    """
    engine = create_engine(
        settings.database_url,
        settings.database_password.get_secret_value(),
        pool_size=settings.database_connections,
        statement_timeout=settings.statement_timeout,
    )
    address = BrokerAddress(settings.amqp_url, settings.amqp_password.get_secret_value())
    topo = topology(settings.store_partitions)
    verifier = verifier or TokenVerifier(settings.auth_url)
    health = Health({"database": lambda: database_problem(engine), "keys": verifier.problem})
    publisher = Publisher(address, topo, name="query events")
    inspector = QueueInspector(address, topo, name="query inspector")
    # Everything that is read comes from the database: without the broker, query goes on and only says so.
    health.add("broker", lambda: publisher.problem, needed=False)
    events = SystemEvents(publisher, health, service="query", version=__version__)
    revocations = RevocationFeed(address, topo, publisher, verifier.revocations, name="query")
    health.add("revocations", lambda: revocations.problem, needed=False)

    sensitivities = SensitivityAnnouncer(engine, publisher)
    trials = Trials()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            stack.callback(trials.close)
            await wait_for_schema(engine, SCHEMA_VERSION)
            await stack.enter_async_context(publisher)
            await stack.enter_async_context(inspector)
            tasks = {"system events": events.run, "revocations": revocations.run, "sensitivities": sensitivities.run}
            await stack.enter_async_context(background(tasks))
            await revocations.catch_up()
            settle()
            yield

    app = service_app("query", version=__version__, settings=settings, health=health, lifespan=lifespan)
    app.add_middleware(BodyLimit, max_bytes=BODY_LIMIT, exempt=[f"{API}{path}" for path in UPLOADS])
    app.state.settings = settings
    app.state.engine = engine
    app.state.sensitivities = sensitivities
    app.state.trials = trials
    app.state.verifier = verifier
    exporter = Exporter(engine, max_rows=settings.export_max_rows, rows_at_once=DIRECT_ROWS_AT_ONCE)
    app.state.direct_exports = DirectExports(exporter)
    app.state.exports = KeptExports(engine, exporter, file_hours=settings.job_file_hours)
    app.state.status = StatusReporter(engine, inspector, topo)
    answer_database_failures(app)
    # exports before records: /records/export is no record's id.
    for router in (
        series, exports, deletions, records, analytics, sensitivity, anomalies, ledger, dead_letters, imports, jobs,
        system,
    ):  # fmt: skip
        app.include_router(router, prefix=API)
    return app
