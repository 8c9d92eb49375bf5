"""What query answers while the database or the broker is away."""

import httpx
import pytest
from sqlalchemy import column, table

from telltale_query.app import create_app
from telltale_query.settings import Settings
from telltale_shared.security import Role

from .conftest import Api, key_server

pytestmark = pytest.mark.anyio


@pytest.fixture
def alone() -> Api:
    """The app without any server; it was started before they went away."""
    settings = Settings.model_validate(
        {
            "database_url": "mariadb+asyncmy://telltale_query@127.0.0.1:1/telltale",
            "amqp_url": "amqp://telltale@127.0.0.1:1/none",
        }
    )
    app = create_app(settings, verifier=key_server())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return Api(app, httpx.AsyncClient(transport=transport, base_url="http://query"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/records"),
        ("GET", "/series"),
        ("GET", "/analytics/summary"),
        ("GET", "/ledger"),
        ("GET", "/logs"),
        ("DELETE", "/records/1-1"),
    ],
)
async def test_without_a_database_the_answer_is_503(alone: Api, method: str, path: str) -> None:
    answer = await alone.call(method, path)
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_statement_that_can_never_work_is_no_reason_to_try_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = table("nowhere", column("id"), column("seen_at"))
    monkeypatch.setattr("telltale_query.ledger.repository.producers", nowhere)
    answer = await api.call("GET", "/ledger")
    assert answer.status_code == 500
    assert "retry-after" not in answer.headers
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "nowhere" not in answer.text


async def test_status_answers_without_database_and_broker(alone: Api) -> None:
    found = await alone.get("/status", role=Role.VIEWER)
    assert found["status"] == "degraded"
    assert not found["database"]["reachable"]
    assert not found["broker"]["reachable"]
    assert found["ledger"] is None
    assert [reason.split(" (")[0] for reason in found["reasons"]] == [
        "the database does not answer",
        "the broker does not answer",
    ]


async def test_readiness_needs_the_database_but_not_the_broker(alone: Api, api: Api) -> None:
    answer = await alone.http.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["dependencies"]["keys"] == "ok"
    without_broker = create_app(
        Settings.model_validate(
            {
                "database_url": api.engine.url.render_as_string(hide_password=False),
                "amqp_url": "amqp://telltale@127.0.0.1:1/none",
            }
        ),
        verifier=key_server(),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(without_broker), base_url="http://query") as http:
        answer = await http.get("/health/ready")
    await without_broker.state.engine.dispose()
    assert answer.status_code == 200
    dependencies = answer.json()["dependencies"]
    assert dependencies.pop("revocations") == dependencies.pop("broker") == "not connected yet"
    assert dependencies == {"database": "ok", "keys": "ok"}


async def test_forged_tokens_are_refused(api: Api) -> None:
    for forged in ("x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."):
        answer = await api.http.get("/api/v1/records", headers={"Authorization": f"Bearer {forged}"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
