"""Every error is answered, and described, as problem details."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from telltale_shared.errors import Conflict, ProblemDetails, install_problem_details

pytestmark = pytest.mark.anyio


class Thing(BaseModel):
    size: int


def an_app() -> FastAPI:
    app = FastAPI()
    install_problem_details(app)

    @app.post("/things", responses={409: {"model": ProblemDetails}})
    async def add(thing: Thing) -> Thing:
        if thing.size == 0:
            raise Conflict("there is one of this size", headers={"X-Hint": "another size"})
        if thing.size < 0:
            raise ZeroDivisionError("secret")
        return thing

    @app.patch("/things")
    async def change(thing: Thing) -> Thing:
        return thing

    return app


@pytest.fixture
async def http(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(an_app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "title"),
    [
        ("POST", "/things", {"size": 0}, 409, "Conflict"),
        ("POST", "/things", {"size": "big"}, 422, "Invalid request"),
        ("POST", "/things", {"size": -1}, 500, "Internal error"),
        ("GET", "/things", None, 405, "Method Not Allowed"),
        ("GET", "/nothing", None, 404, "Not Found"),
    ],
)
async def test_every_error_has_the_same_shape(
    http: httpx.AsyncClient, method: str, path: str, body: object, status: int, title: str
) -> None:
    response = await http.request(method, path, json=body)
    assert response.headers["content-type"] == "application/problem+json"
    problem = ProblemDetails.model_validate(response.json())
    assert (response.status_code, problem.status, problem.title) == (status, status, title)
    assert problem.request_id == response.headers["x-request-id"]
    assert "secret" not in response.text


async def test_problem_keeps_its_headers_and_names_the_field(http: httpx.AsyncClient) -> None:
    assert (await http.post("/things", json={"size": 0})).headers["x-hint"] == "another size"
    (error,) = (await http.post("/things", json={})).json()["errors"]
    assert error == {"field": "size", "message": "Field required"}


async def test_a_body_that_is_wrong_as_a_whole_is_named_so(http: httpx.AsyncClient) -> None:
    for body in (b"", b"[]", b"{"):
        refused = await http.post("/things", content=body, headers={"content-type": "application/json"})
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert error["field"] == "body"
        assert refused.json()["detail"] == "check body"


async def test_a_path_names_all_its_methods(http: httpx.AsyncClient) -> None:
    assert (await http.delete("/things")).headers["allow"] == "PATCH, POST"


async def test_openapi_describes_errors_as_they_are(http: httpx.AsyncClient) -> None:
    for _ in range(2):
        document = (await http.get("/openapi.json")).json()
        responses = document["paths"]["/things"]["post"]["responses"]
        assert responses.keys() == {"200", "409", "default"}
        assert responses["409"]["content"].keys() == {"application/problem+json"}
        assert responses["default"]["content"] == responses["409"]["content"]
        assert document["components"]["schemas"].keys() == {"Thing", "ProblemDetails", "FieldError"}
