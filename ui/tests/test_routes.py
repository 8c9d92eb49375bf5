from collections.abc import AsyncIterator
from contextlib import closing

import httpx
import pytest
from starlette.applications import Starlette

from telltale_ui.api_client import ApiClient
from telltale_ui.routes import create_routes
from telltale_ui.sessions import SESSION_COOKIE, Tickets

OWN_PAGE = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def tickets() -> Tickets:
    return Tickets()


pytestmark = pytest.mark.anyio


def _browse(client: ApiClient, tickets: Tickets) -> httpx.AsyncClient:
    app = Starlette(routes=create_routes(client, tickets))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://telltale.test")


@pytest.fixture
async def browser(client: ApiClient, tickets: Tickets) -> AsyncIterator[httpx.AsyncClient]:
    async with _browse(client, tickets) as browser:
        yield browser


async def _sign_in(browser: httpx.AsyncClient, client: ApiClient, tickets: Tickets) -> httpx.Response:
    session_id = client.start_session("viewer@example.com", "Password123!")["session_id"]
    return await browser.post("/session/start", content=tickets.issue(session_id), headers=OWN_PAGE)


async def test_a_ticket_becomes_a_cookie_that_scripts_cannot_read(
    browser: httpx.AsyncClient, client: ApiClient, tickets: Tickets
) -> None:
    response = await _sign_in(browser, client, tickets)
    assert response.status_code == 204
    cookie = response.headers["set-cookie"].lower()
    assert SESSION_COOKIE in browser.cookies
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("body", ["", "made up", "x" * 300, "ü"])
async def test_anything_but_a_ticket_is_refused(browser: httpx.AsyncClient, body: str) -> None:
    response = await browser.post("/session/start", content=body.encode(), headers=OWN_PAGE)
    assert response.status_code in (401, 413)
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("path", ["/session/start", "/session/end", "/stream-token"])
@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "none"}, {"origin": "http://evil.test"}, {}],
)
async def test_other_sites_are_refused(browser: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    assert (await browser.post(path, headers=headers)).status_code == 403
    assert (await browser.get(path, headers=OWN_PAGE)).status_code == 405


async def test_a_browser_without_fetch_metadata_is_known_by_its_origin(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/stream-token", headers={"origin": "http://telltale.test"})).status_code == 401


async def test_the_stream_token_needs_a_session_that_lives(
    browser: httpx.AsyncClient, client: ApiClient, tickets: Tickets
) -> None:
    await _sign_in(browser, client, tickets)
    response = await browser.post("/stream-token", headers=OWN_PAGE)
    assert response.status_code == 200
    assert response.json()["token"].startswith("stream-")
    client.end_session(browser.cookies[SESSION_COOKIE])
    assert (await browser.post("/stream-token", headers=OWN_PAGE)).status_code == 401


async def test_signing_out_ends_the_session_at_auth_and_clears_the_cookie(
    browser: httpx.AsyncClient, client: ApiClient, tickets: Tickets
) -> None:
    await _sign_in(browser, client, tickets)
    session_id = browser.cookies[SESSION_COOKIE]
    assert (await browser.post("/session/end", headers=OWN_PAGE)).status_code == 204
    assert SESSION_COOKIE not in browser.cookies
    with pytest.raises(Exception, match="ended"):
        client.access_token(session_id)
    assert (await browser.post("/session/end", headers=OWN_PAGE)).status_code == 204


async def test_the_browser_forgets_the_session_also_while_auth_is_away(stand_in: str, tickets: Tickets) -> None:
    away = "http://127.0.0.1:1"
    lonely = ApiClient(auth_url=away, query_url=stand_in, generator_url=stand_in, alerts_url=stand_in)
    with closing(lonely):
        async with _browse(lonely, tickets) as browser:
            await browser.post("/session/start", content=tickets.issue("a-session"), headers=OWN_PAGE)
            assert SESSION_COOKIE in browser.cookies
            assert (await browser.post("/session/end", headers=OWN_PAGE)).status_code == 503
            assert SESSION_COOKIE not in browser.cookies


@pytest.mark.parametrize("cookie", [b"\xff\xfe", "é".encode(), b"a b", b"x" * 300, b""])
@pytest.mark.parametrize("path", ["/session/end", "/stream-token", "/files/records", "/files/imports"])
async def test_a_cookie_that_auth_never_issued_is_none(browser: httpx.AsyncClient, path: str, cookie: bytes) -> None:
    method = "GET" if path == "/files/records" else "POST"
    headers = [(b"cookie", b"telltale_session=" + cookie), (b"sec-fetch-site", b"same-origin")]
    response = await browser.request(method, path, headers=headers)
    assert response.status_code == (204 if path == "/session/end" else 401)


async def test_health_names_each_service(browser: httpx.AsyncClient, stand_in: str) -> None:
    assert (await browser.get("/health/live")).json() == {"status": "ok"}
    assert (await browser.get("/health/ready")).json()["dependencies"] == {"auth": "ok", "query": "ok"}
    lonely = ApiClient(auth_url=stand_in, query_url="http://127.0.0.1:1", generator_url=stand_in, alerts_url=stand_in)
    with closing(lonely):
        async with _browse(lonely, Tickets()) as browser:
            response = await browser.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["dependencies"] == {"auth": "ok", "query": "does not answer"}


async def test_metrics_tell_how_long_services_take(browser: httpx.AsyncClient) -> None:
    await browser.get("/health/ready")
    assert "telltale_ui_request_seconds_count" in (await browser.get("/metrics")).text


async def test_the_chart_reads_the_past_with_the_cookie_only(
    browser: httpx.AsyncClient, client: ApiClient, tickets: Tickets
) -> None:
    asked = "/live/timeseries?source=press-3&from=2026-11-24T08:00:00Z&to=2026-11-24T09:00:00Z"
    assert (await browser.get(asked)).status_code == 401
    await _sign_in(browser, client, tickets)
    answer = await browser.get(asked)
    assert {one["source"] for one in answer.json()["series"]} == {"press-3"}
    assert answer.headers["cache-control"] == "no-store"
    assert "items" in (await browser.get("/live/anomalies?source=press-3")).json()
    browser.cookies.set(SESSION_COOKIE, "made-up")
    assert (await browser.get(asked)).status_code == 401
