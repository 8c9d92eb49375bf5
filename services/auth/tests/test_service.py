"""The service as a whole: its database away, its broker there or not, its commands, its description of itself."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import inspect, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from telltale_auth import schema
from telltale_auth.accounts import repository as accounts
from telltale_auth.app import create_app
from telltale_auth.demo import PASSWORD
from telltale_auth.settings import Settings
from telltale_shared.broker import BrokerAddress, Link, StreamEvent, follow
from telltale_shared.contracts import Heartbeat, decode
from telltale_shared.testing import Access, eventually
from telltale_shared.topology import LIVE_STREAM, topology

from .conftest import Api

pytestmark = pytest.mark.anyio


class Door:
    """A TCP proxy before the database, which can be shut."""

    def __init__(self, url: str) -> None:
        target = make_url(url)
        self._target = (target.host or "", target.port or 3306)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection(*self._target)
        self._writers |= {writer, onward}
        with suppress(ConnectionError):
            await asyncio.gather(_copy(reader, onward), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Api]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://auth") as http:
            yield Api(app, http)


async def test_without_its_database_it_says_so_and_comes_back(settings: Settings) -> None:
    door = Door(settings.database_url)
    await door.open()
    through_door = make_url(settings.database_url).set(host="127.0.0.1", port=door.port)
    async with running(settings.model_copy(update={"database_url": through_door.render_as_string()})) as api:
        bearer = await api.bearer("admin")
        session = await api.session("viewer@example.com")
        assert (await api.http.get("/health/ready")).status_code == 200
        await door.shut()
        credentials = {"username": "viewer@example.com", "password": PASSWORD}
        answers = [
            await api.http.post("/api/v1/auth/token", data=credentials),
            await api.http.post("/api/v1/auth/sessions/token", headers=session),
            await api.http.get("/api/v1/users", headers=bearer),
            await api.http.get("/api/v1/auth/me", headers=bearer),
        ]
        for response in answers:
            assert response.status_code == 503, response.text
            assert response.headers["content-type"] == "application/problem+json"
            assert int(response.headers["retry-after"]) > 0
        ready = await api.http.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["dependencies"]["database"] != "ok"
        assert (await api.http.get("/health/live")).status_code == 200
        assert (await api.http.get("/.well-known/jwks.json")).status_code == 200

        await door.open()
        assert (await api.http.post("/api/v1/auth/sessions/token", headers=session)).status_code == 200
        await api.token("viewer")
        assert (await api.http.get("/health/ready")).status_code == 200
    await door.shut()


async def test_errors_of_the_database_hold_no_secrets(api: Api) -> None:
    too_long = "x" * 100
    async with api.app.state.engine.connect() as connection:
        user = await accounts.by_email(connection, "user@example.com")
        assert user is not None
        with pytest.raises(DBAPIError) as raised:
            await accounts.change(connection, user.id, password_hash=too_long)
    assert too_long not in str(raised.value)


async def test_database_that_comes_later_is_waited_for(settings: Settings, free_port: int) -> None:
    door = Door(settings.database_url)
    door.port = free_port
    late = make_url(settings.database_url).set(host="127.0.0.1", port=free_port).render_as_string()

    async def open_late() -> None:
        await asyncio.sleep(0.3)
        await door.open()

    opening = asyncio.create_task(open_late())
    async with running(settings.model_copy(update={"database_url": late})) as api:
        await api.token("admin")
    await opening
    await door.shut()


async def test_nobody_waits_for_the_broker(api: Api) -> None:
    ready = await api.http.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ok"
    assert ready.json()["dependencies"]["broker"] != "ok"


async def test_heartbeats_reach_the_live_stream(settings: Settings, broker: Access) -> None:
    heard: list[Heartbeat] = []

    async def listen(event: StreamEvent) -> None:
        message = decode(event.body)
        assert isinstance(message, Heartbeat)
        heard.append(message)

    with_broker = {"amqp_url": broker.url, "amqp_password": SecretStr(broker.password)}
    async with running(settings.model_copy(update=with_broker)) as api:
        link = Link(BrokerAddress(broker.url, broker.password), topology(), name="test")
        listening = asyncio.create_task(follow(link, LIVE_STREAM, listen, start="first"))
        try:
            await eventually(lambda: heard, 30)
        finally:
            listening.cancel()
        assert (heard[0].service, heard[0].health) == ("auth", "ok")
        assert heard[0].dependencies["database"] == "ok"
        ready = await api.http.get("/health/ready")
        assert ready.json()["dependencies"] == {"database": "ok", "broker": "ok"}


async def test_unmigrated_database_is_refused(settings: Settings, new_database: Callable[[], Access]) -> None:
    empty = new_database()
    app = create_app(settings.model_copy(update={"database_url": empty.url}))
    with pytest.raises(RuntimeError, match="run the migrations"):
        async with app.router.lifespan_context(app):
            pass


def in_shell(settings: Settings, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "AUTH_DATABASE_URL": settings.database_url,
        "AUTH_DATABASE_PASSWORD": settings.database_password.get_secret_value(),
        "AUTH_MIGRATION_DATABASE_URL": settings.database_url,
        "AUTH_MIGRATION_DATABASE_PASSWORD": settings.database_password.get_secret_value(),
        "AUTH_BCRYPT_COST": "4",
    }
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


async def test_first_administrator_from_the_command_line(api: Api, settings: Settings) -> None:
    async def create(email: str, password: str = "") -> subprocess.CompletedProcess[str]:
        command = ("telltale_auth.create_admin", email)
        return await asyncio.to_thread(in_shell, settings, *command, stdin=f"{password}\n")

    done = await create("Root@plant.local", "a pass phrase")
    assert (done.returncode, done.stdout) == (0, "root@plant.local is an administrator\n"), done.stderr
    me = await api.http.get("/api/v1/auth/me", headers=await api.bearer("root@plant.local", "a pass phrase"))
    assert me.json()["role"] == "ADMIN"

    promoted = await create("viewer@example.com")
    assert "the password stays" in promoted.stdout
    me = await api.http.get("/api/v1/auth/me", headers=await api.bearer("viewer"))
    assert me.json()["role"] == "ADMIN"

    for email, password in (("other@plant.local", "short"), ("nobody", "a pass phrase")):
        refused = await create(email, password)
        assert refused.returncode == 1
        assert refused.stderr.startswith("nothing was changed: ")
        assert "short" not in refused.stderr


async def test_migrating_again_changes_nothing_and_tables_are_as_the_code_sees_them(
    api: Api, settings: Settings
) -> None:
    again = await asyncio.to_thread(in_shell, settings, "telltale_auth.migrate")
    assert again.returncode == 0, again.stderr

    def columns(connection: Connection) -> dict[str, set[str]]:
        inspector = inspect(connection)
        return {
            name: {column["name"] for column in inspector.get_columns(name)}
            for name in inspector.get_table_names()
            if name not in ("alembic_version", "schema_serves")
        }

    async with api.app.state.engine.connect() as connection:
        found = await connection.run_sync(columns)
    assert found == {name: set(table.columns.keys()) for name, table in schema.metadata.tables.items()}


async def test_openapi_describes_every_operation(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"].keys() == {"AccessToken", "ApiKey", "Session"}
    operations = {
        f"{method.upper()} {path.removeprefix('/api/v1')}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not path.startswith(("/health", "/metrics"))
    }
    assert operations.keys() == {
        "POST /auth/register",
        "GET /auth/registration",
        "POST /auth/token",
        "POST /auth/refresh",
        "POST /auth/logout",
        "GET /auth/me",
        "PATCH /auth/me",
        "POST /auth/stream-token",
        "POST /auth/sessions",
        "POST /auth/sessions/token",
        "DELETE /auth/sessions/current",
        "GET /auth/sessions",
        "DELETE /auth/sessions",
        "DELETE /auth/sessions/{id}",
        "POST /auth/password",
        "GET /auth/api-keys",
        "POST /auth/api-keys",
        "DELETE /auth/api-keys/{id}",
        "POST /auth/api-keys/token",
        "GET /users/{id}/sessions",
        "DELETE /users/{id}/sessions",
        "GET /users",
        "PATCH /users/{id}",
        "GET /audit",
        "GET /.well-known/jwks.json",
    }
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}, name
        assert "422" not in operation["responses"], f"{name}: errors are problem details"
    guarded = {name for name, operation in operations.items() if operation.get("security")}
    assert operations.keys() - guarded == {
        "POST /auth/register",
        "GET /auth/registration",
        "POST /auth/token",
        "POST /auth/refresh",
        "POST /auth/logout",
        "POST /auth/sessions",
        "GET /.well-known/jwks.json",
    }
