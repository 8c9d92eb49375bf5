"""Who may call what: the gateway's one socket, tried by everyone. See ``telltale_shared.security.access``."""

from typing import Any

import pytest
from services.gateway.tests.talking import Start, closing, hear, say
from services.gateway.tests.talking import start as start
from websockets.asyncio.client import connect

from telltale_gateway.app import create_app
from telltale_gateway.settings import Settings
from telltale_shared.security import Role
from telltale_shared.security.access import ACCESS, PERSON
from telltale_shared.testing_access import check_table

pytestmark = pytest.mark.anyio


def test_every_route_is_in_the_table() -> None:
    check_table("gateway", create_app(Settings()))


async def test_the_socket_asks_for_its_role(auth: Any, start: Start) -> None:
    assert ACCESS["gateway"] == {"WEBSOCKET /api/v1/stream": PERSON}, "what is tried here"
    async with start() as running:
        for role in Role:
            async with connect(running.url) as socket:
                await say(socket, "authenticate", token=auth.token(role=role.value))
                await say(socket, "subscribe")
                assert await hear(socket, "subscribed")
        for first in ({"type": "subscribe"}, {"type": "authenticate", "token": auth.token(role="NOBODY")}):
            async with connect(running.url) as socket:
                await say(socket, first.pop("type"), **first)
                assert (await closing(socket))[0] == 4401
