"""What is announced to all other services, and that auth itself refuses at once."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, text

from telltale_auth import schema
from telltale_auth.app import create_app
from telltale_auth.settings import Settings
from telltale_shared.broker import BrokerAddress, Publisher
from telltale_shared.security import Principal, Revocations, Role
from telltale_shared.security.feed import RevocationFeed
from telltale_shared.testing import Access, eventually
from telltale_shared.topology import topology

from .conftest import Api

pytestmark = pytest.mark.anyio


def principal(user_id: str, version: int, session_id: str = "") -> Principal:
    return Principal(user_id, "", Role.VIEWER, "j", version, 0, session_id)


@asynccontextmanager
async def listening(broker: Access) -> AsyncIterator[Revocations]:
    """A service that hears of revocations."""
    address, heard = BrokerAddress(broker.url, broker.password), Revocations()
    async with Publisher(address, topology(), name="listener") as publisher:
        feed = RevocationFeed(address, topology(), publisher, heard, name="listener")
        task = asyncio.create_task(feed.run())
        await feed.catch_up(60)
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
def broker(new_broker: Callable[[], Access]) -> Access:
    """A virtual host that no other test has announced anything in."""
    return new_broker()


@pytest.fixture
async def announced(settings: Settings, broker: Access) -> AsyncIterator[tuple[Api, Revocations]]:
    """The app with a broker, and a service that hears what it announces."""
    app = create_app(settings.model_copy(update={"amqp_url": broker.url, "amqp_password": _secret(broker)}))
    async with listening(broker) as heard, app.router.lifespan_context(app), _client(app) as http:
        yield Api(app, http), heard
        async with app.state.engine.begin() as connection:
            await connection.execute(text("DELETE FROM users"))
            await connection.execute(text("DELETE FROM audit_log"))
            await connection.execute(text("DELETE FROM outbox"))


def _secret(broker: Access) -> Any:
    return type(Settings.model_fields["amqp_password"].default)(broker.password)


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://auth")


async def waiting(api: Api) -> int:
    async with api.app.state.engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(schema.outbox))).scalar_one())


@pytest.mark.parametrize("body", [{"role": "USER"}, {"is_active": False}])
async def test_changed_account_is_announced_to_services(
    announced: tuple[Api, Revocations], body: dict[str, Any]
) -> None:
    api, heard = announced
    account = await api.register("ada@plant.local")
    admin = await api.bearer("admin")
    changed = await api.http.patch(f"/api/v1/users/{account['id']}", json=body, headers=admin)
    assert changed.status_code == 200
    await eventually(lambda: heard.covers(principal(account["id"], 1)))
    assert not heard.covers(principal(account["id"], 2))
    assert await eventually(lambda: _none_waits(api))


async def _none_waits(api: Api) -> bool:
    return await waiting(api) == 0


async def test_session_that_ends_takes_its_tokens_along(announced: tuple[Api, Revocations]) -> None:
    api, heard = announced
    account = await api.register("ada@plant.local")
    session, other = await api.session("ada@plant.local"), await api.session("ada@plant.local")
    tokens = [
        (await api.http.post("/api/v1/auth/sessions/token", headers=one)).json()["access_token"]
        for one in (session, other)
    ]
    await api.http.delete("/api/v1/auth/sessions/current", headers=session)
    answers = [
        (await api.http.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code
        for token in tokens
    ]
    assert answers == [401, 200], "auth itself looks at the session"
    await eventually(lambda: len(heard) == 1)
    assert not heard.covers(principal(account["id"], 1, "s0"))


async def test_logout_of_a_client_is_announced(announced: tuple[Api, Revocations]) -> None:
    api, heard = announced
    tokens = await api.token("viewer")
    await api.http.post("/api/v1/auth/logout", json={"refresh_token": tokens["refresh_token"]})
    await eventually(lambda: len(heard) == 1)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await api.http.get("/api/v1/auth/me", headers=bearer)).status_code == 401


async def test_change_made_while_the_broker_is_away_is_announced_when_it_is_back(
    api: Api, settings: Settings, broker: Access
) -> None:
    account = await api.register("ada@plant.local")
    admin = await api.bearer("admin")
    await api.http.patch(f"/api/v1/users/{account['id']}", json={"role": "USER"}, headers=admin)
    assert await waiting(api) == 1
    second = create_app(settings.model_copy(update={"amqp_url": broker.url, "amqp_password": _secret(broker)}))
    async with listening(broker) as heard, second.router.lifespan_context(second):
        await eventually(lambda: heard.covers(principal(account["id"], 1)))
        assert await eventually(lambda: _none_waits(api))


async def test_change_from_the_command_line_is_announced_too(
    announced: tuple[Api, Revocations], settings: Settings
) -> None:
    api, heard = announced
    account = await api.register("ada@plant.local")
    environment = {
        **os.environ,
        "AUTH_DATABASE_URL": settings.database_url,
        "AUTH_DATABASE_PASSWORD": settings.database_password.get_secret_value(),
        "AUTH_BCRYPT_COST": "4",
    }
    command = [sys.executable, "-m", "telltale_auth.create_admin", "ada@plant.local"]
    await asyncio.to_thread(subprocess.run, command, env=environment, check=True, timeout=30, capture_output=True)
    await eventually(lambda: heard.covers(principal(account["id"], 1)))
