"""The gateway put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket

from telltale_gateway import __version__
from telltale_gateway.clients import Clients
from telltale_gateway.fanout import Fanout
from telltale_gateway.hub import Hub
from telltale_gateway.settings import Settings
from telltale_gateway.socket import Gateway, serve_client
from telltale_gateway.subscriber import Subscriber
from telltale_shared.broker import BrokerAddress, Link, Publisher
from telltale_shared.health import Health
from telltale_shared.lifecycle import background, service_app
from telltale_shared.security import TokenVerifier
from telltale_shared.security.feed import RevocationFeed
from telltale_shared.system_events import SystemEvents
from telltale_shared.topology import topology


def create_app(settings: Settings) -> FastAPI:
    """The gateway as an ASGI app; it connects to the broker when it starts."""
    address = BrokerAddress(settings.amqp_url, settings.amqp_password.get_secret_value())
    declared = topology(settings.store_partitions)
    link = Link(address, declared, name="gateway stream")
    publisher = Publisher(address, declared, name="gateway events")
    hub = Hub(
        history_seconds=settings.history_seconds,
        history_readings=settings.history_readings,
        queue_readings=settings.queue_readings,
    )
    subscriber = Subscriber(link, hub, history_seconds=settings.history_seconds)
    fanout = Fanout(hub, settings.max_subscriptions)
    clients = Clients(settings.max_clients, settings.max_clients_per_account, settings.max_unauthenticated)
    verifier = TokenVerifier(settings.auth_url)
    gateway = Gateway(settings, fanout, subscriber, clients, verifier)

    def figures() -> dict[str, float]:
        return {"clients": len(clients), "window_readings": hub.readings_held, "dropped": hub.dropped}

    health = Health({"broker": lambda: link.problem, "keys": verifier.problem})
    feed = RevocationFeed(address, declared, publisher, verifier.revocations, name="gateway")
    health.add("revocations", lambda: feed.problem)
    events = SystemEvents(publisher, health, service="gateway", version=__version__, figures=figures)

    async def look_after_auth() -> None:
        await gateway.reprieve.run(
            settings.auth_url, seconds=settings.session_seconds, is_current=lambda: feed.problem is None
        )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = {
            "subscriber": subscriber.run,
            "fan-out": lambda: fanout.run(subscriber.arrived),
            "system events": events.run,
            "revocations": feed.run,
            "reprieve": look_after_auth,
        }
        async with publisher, background(tasks):
            await feed.catch_up()
            yield

    app = service_app("gateway", version=__version__, settings=settings, health=health, lifespan=lifespan)

    async def stream(websocket: WebSocket) -> None:
        await serve_client(websocket, gateway)

    # Starlette's own route: FastAPI's keeps 4 KiB a connection for dependencies, of which there are none.
    app.router.add_websocket_route("/api/v1/stream", stream)
    return app
