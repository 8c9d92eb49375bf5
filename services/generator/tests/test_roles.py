"""Who may call what: every route of the generator, tried by everyone. See ``telltale_shared.security.access``."""

from pathlib import Path

import httpx
import pytest
from services.generator.tests.conftest import Tokens

from telltale_generator.app import create_app
from telltale_generator.settings import Settings
from telltale_shared.security import Role
from telltale_shared.testing import Access
from telltale_shared.testing_access import check_roles, check_table

pytestmark = pytest.mark.anyio


async def test_every_route_asks_for_its_role(broker: Access, tmp_path: Path, tokens: Tokens) -> None:
    app = create_app(Settings(amqp_url=broker.url, amqp_password=broker.password, spool_dir=tmp_path))
    app.state.verifier = tokens.verifier
    check_table("generator", app)

    async def bearer(role: Role) -> str:
        return tokens.headers(role)["Authorization"].removeprefix("Bearer ")

    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://generator") as http,
    ):
        await check_roles("generator", app, http, bearer)
