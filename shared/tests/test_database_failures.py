"""What is answered when the database fails a request."""

import httpx
import pytest
from asyncmy.errors import OperationalError, ProgrammingError
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from telltale_shared.database_failures import RETRY_AFTER_SECONDS, answer_database_failures
from telltale_shared.errors import ProblemDetails, install_problem_details

pytestmark = pytest.mark.anyio


def _failed(original: Exception) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, original)


async def _answer_to(error: Exception) -> httpx.Response:
    app = FastAPI()
    install_problem_details(app)
    answer_database_failures(app)

    @app.get("/records")
    async def fail() -> None:
        raise error

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
        return await http.get("/records")


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (_failed(OperationalError(2013, "Lost connection")), "does not answer right now"),
        (_failed(OperationalError(1969, "max_statement_time exceeded")), "choose a shorter range"),
        (PoolTimeout("no connection is free"), "does not answer right now"),
        (ConnectionRefusedError(111, "refused"), "does not answer right now"),
        (TimeoutError(), "does not answer right now"),
    ],
)
async def test_a_database_in_trouble_is_503_and_says_when_to_try_again(error: Exception, detail: str) -> None:
    response = await _answer_to(error)
    assert response.status_code == 503
    assert response.headers["retry-after"] == str(RETRY_AFTER_SECONDS)
    assert detail in (ProblemDetails.model_validate(response.json()).detail or "")


async def test_a_wrong_statement_is_a_fault_of_ours() -> None:
    response = await _answer_to(_failed(ProgrammingError(1064, "You have an error in your SQL syntax")))
    assert response.status_code == 500
    assert "SQL" not in response.text
