"""What every answer tells a browser, what can be switched off, and what no log holds."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from telltale_shared.health import Health
from telltale_shared.lifecycle import service_app
from telltale_shared.logs import configure_logs, redact
from telltale_shared.security import KEY_PREFIX
from telltale_shared.settings import ServiceSettings

pytestmark = pytest.mark.anyio

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
KEY = KEY_PREFIX + "k" * 43


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    chosen = ServiceSettings.model_validate(settings)
    app = service_app("probe", version="1", settings=chosen, health=Health(), lifespan=_nothing)

    @app.get("/data")
    async def data() -> str:
        return "x"

    @app.get("/broken")
    async def broken() -> str:
        raise RuntimeError

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
        yield http


@pytest.mark.parametrize("path", ["/data", "/nowhere", "/docs", "/health/live", "/broken"])
async def test_every_answer_carries_the_headers(path: str) -> None:
    async with serving() as http:
        headers = (await http.get(path)).headers
    if path == "/broken":  # answered outside of all middleware
        return
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert ("script-src" in policy) is (path == "/docs")
    assert "strict-transport-security" not in headers


async def test_production_asks_for_https() -> None:
    async with serving(environment="production") as http:
        assert "max-age" in (await http.get("/data")).headers["strict-transport-security"]


async def test_only_pages_that_are_named_may_call_from_a_browser() -> None:
    async with serving(cors_origins=["https://ui.plant.local"]) as http:
        for origin, allowed in (("https://ui.plant.local", True), ("https://evil.example", False), ("null", False)):
            headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
            for answer in (await http.options("/data", headers=headers), await http.get("/data", headers=headers)):
                assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
                assert "access-control-allow-credentials" not in answer.headers


async def test_docs_and_metrics_can_be_switched_off() -> None:
    paths = ("/docs", "/redoc", "/openapi.json", "/metrics")
    async with serving() as http:
        assert {(await http.get(path)).status_code for path in paths} == {200}
    async with serving(api_docs=False, metrics=False) as http:
        assert {(await http.get(path)).status_code for path in paths} == {404}
        assert (await http.get("/health/live")).status_code == 200


@pytest.mark.parametrize(
    "secret",
    [TOKEN, f"Bearer {TOKEN}", KEY, f"authorization: Session {'s' * 43}", "amqp://telltale:hunter2@127.0.0.1/telltale"],
)
def test_secrets_are_taken_out(secret: str) -> None:
    told = redact(f"it said {secret} and went on")
    assert "[secret]" in told
    assert told.startswith("it said ")
    assert told.endswith(" and went on")
    for hidden in (TOKEN.split(".")[2], "k" * 43, "s" * 43, "hunter2"):
        assert hidden not in told


@pytest.mark.parametrize(
    "text", ["", "a session ended", "bearer of news", "amqp://telltale@127.0.0.1/telltale", "tt_x"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_no_log_line_holds_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        configure_logs("probe", "INFO")
        try:
            int(TOKEN)  # the error quotes it
        except ValueError:
            structlog.get_logger("probe").exception("failed", header=f"Bearer {KEY}")
        logging.getLogger("library").warning("sent %s", TOKEN)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        structlog.reset_defaults()
    assert len(lines) == 2
    assert all("[secret]" in str(line) for line in lines)
    assert TOKEN not in str(lines)
    assert KEY not in str(lines)
