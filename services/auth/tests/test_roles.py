"""Who may call what: every route of auth, tried by everyone. The table is in ``telltale_shared.security.access``."""

import pytest

from telltale_shared.security import Role
from telltale_shared.testing_access import check_roles, check_table

from .conftest import Api

pytestmark = pytest.mark.anyio


async def test_every_route_is_in_the_table(api: Api) -> None:
    check_table("auth", api.app)


async def test_every_route_asks_for_its_role(api: Api) -> None:
    async def bearer(role: Role) -> str:
        # A new one each time: some calls end all that was issued before.
        return str((await api.token(role.lower()))["access_token"])

    await check_roles("auth", api.app, api.http, bearer)
