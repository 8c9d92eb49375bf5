"""Who may call what: every route of alerts, tried by everyone. The table is in ``telltale_shared.security.access``."""

import pytest

from telltale_shared.security import Role
from telltale_shared.testing_access import check_roles, check_table

from .conftest import Api, token

pytestmark = pytest.mark.anyio


async def test_every_route_is_in_the_table(api: Api) -> None:
    check_table("alerts", api.app)


async def test_every_route_asks_for_its_role(api: Api) -> None:
    async def bearer(role: Role) -> str:
        return token(role)

    await check_roles("alerts", api.app, api.http, bearer)
