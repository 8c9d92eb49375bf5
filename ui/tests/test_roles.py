"""Who may call what: every route of the UI's own server, tried by everyone. See ``telltale_shared.security.access``."""

import re
from contextlib import closing

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from telltale_shared.security.access import ACCESS
from telltale_ui.api_client import ApiClient
from telltale_ui.routes import create_routes
from telltale_ui.sessions import SESSION_COOKIE, Tickets

pytestmark = pytest.mark.anyio

OWN_PAGE = {"sec-fetch-site": "same-origin"}
REFUSED = (401, 403)


def _routes_of(routes: list[Route]) -> set[str]:
    return {f"{method} {route.path}" for route in routes for method in (route.methods or set()) - {"HEAD"}}


def test_every_route_is_in_the_table() -> None:
    with closing(
        ApiClient(auth_url="http://a", query_url="http://q", generator_url="http://g", alerts_url="http://l")
    ) as api:
        found = _routes_of(create_routes(api, Tickets()))
    assert found == ACCESS["ui"].keys(), 'say who may call it, in ACCESS["ui"] of telltale_shared.security.access'


@pytest.mark.parametrize("route", ACCESS["ui"])
async def test_every_route_asks_for_its_secret_and_its_page(client: ApiClient, route: str) -> None:
    access = ACCESS["ui"][route]
    method, path = route.split()
    path = re.sub(r"\{[^}]*\}", "1", path)
    tickets = Tickets()
    app = Starlette(routes=create_routes(client, tickets))
    session_id = client.start_session("user@example.com", "Password123!")["session_id"]
    cookie = {SESSION_COOKIE: session_id}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://telltale.test") as http:
        # A ticket is good once, and what is no ticket is no use to the other routes.
        stranger = await http.request(method, path, headers=OWN_PAGE, content=b"x")
        assert (stranger.status_code in REFUSED) is access.secret, stranger.status_code
        http.cookies.update(cookie)
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.test"}):
            elsewhere = await http.request(method, path, headers=headers, content=tickets.issue(session_id))
            assert (elsewhere.status_code == 403) is access.own_page, (headers, elsewhere.status_code)
        own = await http.request(method, path, headers=OWN_PAGE, content=tickets.issue(session_id))
        assert own.status_code not in REFUSED, own.text
