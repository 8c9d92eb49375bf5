"""The service over a database of its own, without a broker: nobody's sign-in waits for one."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from telltale_auth.accounts import repository
from telltale_auth.accounts.schemas import User
from telltale_auth.app import create_app
from telltale_auth.demo import PASSWORD
from telltale_auth.schema import utc_now
from telltale_auth.settings import Settings
from telltale_shared.testing import Access

PHRASE = "a pass phrase of ours"
"""What registers and signs in everybody but the demo accounts."""
SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"


def password_of(email: str) -> str:
    """The password of a demo account, or of one that a test has registered."""
    return PASSWORD if email.lower().endswith("@example.com") else PHRASE


@pytest.fixture(scope="session")
def migrated(new_database: Callable[[], Access]) -> Access:
    """A database with auth's schema, made by the command that operators run."""
    access = new_database()
    environment = {
        **os.environ,
        "AUTH_MIGRATION_DATABASE_URL": access.url,
        "AUTH_MIGRATION_DATABASE_PASSWORD": access.password,
    }
    subprocess.run([sys.executable, "-m", "telltale_auth.migrate"], env=environment, check=True, timeout=60)
    return access


@pytest.fixture(scope="session")
def settings(migrated: Access) -> Settings:
    return Settings.model_validate(
        {
            "database_url": migrated.url,
            "database_password": migrated.password,
            "signing_seed": SEED,
            "bcrypt_cost": 4,
            "demo_accounts": True,
            "amqp_url": "amqp://telltale@127.0.0.1:1/none",
        }
    )


@dataclass
class Api:
    """A client of the running app."""

    app: FastAPI
    http: httpx.AsyncClient
    clock_offset: timedelta = timedelta()

    async def token(self, account: str, password: str | None = None) -> dict[str, Any]:
        email = account if "@" in account else f"{account}@example.com"
        form = {"username": email, "password": password or password_of(email)}
        response = await self.http.post("/api/v1/auth/token", data=form)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    async def bearer(self, account: str, password: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {(await self.token(account, password))['access_token']}"}

    async def register(self, email: str, password: str | None = None, name: str = "") -> dict[str, Any]:
        body = {"email": email, "password": password or PHRASE, "name": name}
        response = await self.http.post("/api/v1/auth/register", json=body)
        assert response.status_code == 202, response.text
        async with self.app.state.engine.connect() as connection:
            account = await repository.by_email(connection, response.json()["email"])
        return User.model_validate(account).model_dump(mode="json")

    async def session(self, email: str, password: str | None = None) -> dict[str, str]:
        body = {"email": email, "password": password or password_of(email)}
        response = await self.http.post("/api/v1/auth/sessions", json=body)
        assert response.status_code == 201, response.text
        return {"Authorization": f"Session {response.json()['session_id']}"}


@pytest.fixture
async def api(settings: Settings, anyio_backend: str) -> AsyncIterator[Api]:
    """The app, started, with the demo accounts and nothing else."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://auth") as http:
            yield Api(app, http)
        async with app.state.engine.begin() as connection:
            await connection.execute(text("DELETE FROM users"))
            await connection.execute(text("DELETE FROM audit_log"))
            await connection.execute(text("DELETE FROM outbox"))
            await connection.execute(text("DELETE FROM attempts"))


@pytest.fixture
def later(api: Api, monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """A function that lets time pass for the sessions."""

    def move(by: timedelta) -> None:
        api.clock_offset += by
        monkeypatch.setattr(api.app.state.sessions, "_clock", lambda: utc_now() + api.clock_offset)

    return move
