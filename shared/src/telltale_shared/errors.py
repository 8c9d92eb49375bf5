"""Problem details (RFC 9457): every error of every REST interface, naming the field and the way out."""

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("telltale.http")

PROBLEM_JSON = "application/problem+json"
REQUEST_ID_HEADER = "x-request-id"


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    message: str


class ProblemDetails(BaseModel):
    """The body of every error response."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    request_id: str | None = None
    errors: list[FieldError] = []


class Problem(Exception):
    """An error with its HTTP status: raised anywhere in a request, answered as problem details."""

    status = 400
    title = "Bad request"

    def __init__(
        self, detail: str, *, errors: list[FieldError] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors or []
        self.headers = dict(headers or {})


class Unauthenticated(Problem):
    status, title = 401, "Not authenticated"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    status, title = 403, "Not allowed"


class NotFound(Problem):
    status, title = 404, "Not found"


class Conflict(Problem):
    status, title = 409, "Conflict"


class Gone(Problem):
    status, title = 410, "Gone"


class PreconditionFailed(Problem):
    status, title = 412, "Changed meanwhile"


class InvalidRequest(Problem):
    status, title = 422, "Invalid request"


class TooManyRequests(Problem):
    status, title = 429, "Too many requests"


class Unavailable(Problem):
    status, title = 503, "Not available right now"


def request_id_of(request: Request) -> str:
    """The id of this request, as logged and as answered in ``X-Request-ID``."""
    return str(request.scope.get("request_id", ""))


def problem_response(request: Request, problem: Problem) -> JSONResponse:
    """The response that reports ``problem``."""
    body = ProblemDetails(
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        request_id=request_id_of(request),
        errors=problem.errors,
    )
    return JSONResponse(
        body.model_dump(exclude_none=True), problem.status, headers=problem.headers, media_type=PROBLEM_JSON
    )


def _field_error(error: dict[str, Any]) -> FieldError:
    """What pydantic says, with a name for every field: what is wrong with the body as a whole is named so."""
    # Of JSON that cannot be read, pydantic gives the position in place of a field.
    location = () if error["type"] == "json_invalid" else error["loc"]
    named = ".".join(str(part) for part in location if part not in ("body", "query", "path", "header"))
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "json_invalid":
        message = f"is not JSON, at character {error['loc'][-1]}"
    return FieldError(field=named or "body", message=message)


def _allowed_methods(request: Request) -> str:
    """The methods of all routes that have this path; the router itself names those of the first one only."""
    allowed = {
        method
        for route in request.app.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in getattr(route, "methods", None) or ()
    }
    return ", ".join(sorted(allowed))


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class
    return problem_response(request, error)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    errors = [_field_error(one) for one in error.errors()]
    names = ", ".join(sorted({one.field for one in errors}))
    return problem_response(request, InvalidRequest(f"check {names}", errors=errors))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    problem = Problem(str(error.detail), headers=error.headers)
    problem.status, problem.title = error.status_code, HTTPStatus(error.status_code).phrase
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        problem.headers["Allow"] = _allowed_methods(request)
    return problem_response(request, problem)


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", path=request.url.path, request_id=request_id_of(request), exc_info=error)
    problem = Problem("Something went wrong on our side. Quote the request id when you report it.")
    problem.status, problem.title = 500, "Internal error"
    # This is answered outside RequestIds, which adds the header everywhere else.
    problem.headers[REQUEST_ID_HEADER] = request_id_of(request)
    return problem_response(request, problem)


class RequestIds:
    """ASGI middleware: gives each request an id, binds it to the log and answers it in ``X-Request-ID``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = scope["request_id"] = secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (REQUEST_ID_HEADER.encode(), request_id.encode()),
                ]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_with_id)


def _described(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with problem details as the answer to every error, in place of FastAPI's own 422."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    described = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(described.pop("$defs"), ProblemDetails=described)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    reference = {"$ref": "#/components/schemas/ProblemDetails"}
    content = {PROBLEM_JSON: {"schema": reference}}
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422")):
                del responses["422"]
            for response in responses.values():
                if response.get("content", {}).get("application/json", {}).get("schema") == reference:
                    response["content"] = content
            responses.setdefault("default", {"description": "Problem details (RFC 9457)", "content": content})
    return document


def install_problem_details(app: FastAPI) -> None:
    """Make ``app`` answer every error as problem details, say so in its OpenAPI, and give every request an id."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        return app.openapi_schema or _described(generate())

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unexpected)
    app.add_middleware(RequestIds)
