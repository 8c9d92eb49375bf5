"""Where auth is put together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI, Request, Response

from telltale_auth import __version__, schema
from telltale_auth.accounts import endpoints as accounts
from telltale_auth.accounts.service import AccountService
from telltale_auth.audit import endpoints as audit
from telltale_auth.audit.refusals import Refusals
from telltale_auth.audit.repository import Origin
from telltale_auth.demo import settle_demo_accounts
from telltale_auth.dependencies import visitor_of
from telltale_auth.keys import endpoints as keys
from telltale_auth.keys.service import KeyService
from telltale_auth.passwords import Passwords
from telltale_auth.sessions import endpoints as sessions
from telltale_auth.sessions import own_endpoints as own
from telltale_auth.sessions.own import OwnSessions
from telltale_auth.sessions.service import SessionService
from telltale_auth.sessions.throttle import LoginThrottle
from telltale_auth.settings import Settings
from telltale_auth.tokens import TokenSigner
from telltale_auth.verifier import AccountVerifier
from telltale_shared.body_limit import BodyLimit
from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.database import create_engine, database_problem, wait_for_schema
from telltale_shared.database_failures import answer_database_failures
from telltale_shared.errors import Forbidden, problem_response
from telltale_shared.health import Health
from telltale_shared.lifecycle import background, service_app
from telltale_shared.outbox import Outbox
from telltale_shared.security import Principal
from telltale_shared.system_events import SystemEvents
from telltale_shared.topology import topology

BODY_LIMIT = 16_384
"""Bytes; nothing that is sent here is longer than a few hundred."""


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application; its connections live as long as its lifespan."""
    health = Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            engine = create_engine(settings.database_url, settings.database_password.get_secret_value(), pool_size=10)
            stack.push_async_callback(engine.dispose)
            passwords = Passwords(cost=settings.bcrypt_cost, threads=settings.hash_threads)
            stack.callback(passwords.close)
            signer = TokenSigner(settings.signing_seed.get_secret_value(), settings.other_seeds)
            address = BrokerAddress(settings.amqp_url, settings.amqp_password.get_secret_value())
            publisher = Publisher(address, topology(settings.store_partitions), name="auth")
            outbox = Outbox(engine, publisher, schema.outbox, holds="revocations")
            throttle = LoginThrottle(engine)
            app.state.settings = settings
            app.state.engine = engine
            app.state.signer = signer
            app.state.verifier = AccountVerifier(signer, engine)
            app.state.accounts = AccountService(engine, passwords, throttle, revoked=outbox.wake)
            app.state.sessions = SessionService(engine, passwords, throttle, revoked=outbox.wake)
            app.state.own_sessions = OwnSessions(engine, revoked=outbox.wake)
            app.state.keys = KeyService(engine, revoked=outbox.wake)
            app.state.refusals = Refusals(engine)
            await wait_for_schema(engine, schema.SCHEMA_VERSION)
            await settle_demo_accounts(app.state.accounts, wanted=settings.demo_accounts)
            health.add("database", lambda: database_problem(engine))
            await stack.enter_async_context(publisher)
            # Nobody's sign-in waits for the broker: without it auth is ready, and only says so.
            health.add("broker", lambda: publisher.problem, needed=False)
            events = SystemEvents(publisher, health, service="auth", version=__version__)
            tasks = {
                "system events": events.run,
                "outbox": outbox.run,
                "purge": app.state.sessions.purge_for_ever,
            }
            async with background(tasks):
                yield

    app = service_app("auth", version=__version__, settings=settings, health=health, lifespan=lifespan)
    app.add_middleware(BodyLimit, max_bytes=BODY_LIMIT)
    answer_database_failures(app)
    app.add_exception_handler(Forbidden, _on_forbidden)
    for router in (sessions.router, sessions.jwks_router, own.router, keys.router, accounts.router, audit.router):
        app.include_router(router)
    return app


async def _on_forbidden(request: Request, error: Exception) -> Response:
    assert isinstance(error, Forbidden)  # noqa: S101 - registered for this class
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is not None:
        refusals: Refusals = request.app.state.refusals
        visitor = visitor_of(request)
        origin = Origin(int(principal.user_id), visitor.address, visitor.request_id)
        await refusals.record(origin, f"{request.method} {request.scope['route'].path}", error.detail)
    return problem_response(request, error)
