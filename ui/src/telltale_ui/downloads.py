"""Files on their way from query to the browser: passed through piece by piece, never held."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import httpx
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from telltale_ui.api_client import ApiClient, ApiError, error_of
from telltale_ui.sessions import session_id_of

_TIMEOUT = httpx.Timeout(30.0, connect=3.0, read=900.0)
"""A workbook is sent once it is complete: its first byte may take minutes."""
_PASSED_ON = ("content-type", "content-length", "content-disposition", "x-request-id")
_NOT_SIGNED_IN = ApiError("Not signed in", "Sign in, then ask for the file again.", status=401)


def _page_of(error: ApiError) -> Response:
    """The browser shows the answer in a tab of its own, so it is a text for a person."""
    lines = [error.title, error.detail, *(f"{one.get('field')}: {one.get('message')}" for one in error.fields)]
    if error.request_id:
        lines.append(f"Request id: {error.request_id}")
    text = "\n\n".join(line for line in lines if line)
    return PlainTextResponse(text, error.status or 503, headers={"cache-control": "no-store"})


def _name(request: Request, parameter: str) -> str:
    """A path parameter, safe to stand in another path."""
    return quote(request.path_params[parameter], safe="")


class Downloads:
    """The routes that links to files lead to, for the user of the cookie.

    Other sites cannot use it: their requests come without the cookie, which is ``SameSite=Strict``.
    """

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def records(self, request: Request) -> Response:
        """Records as a file; the query parameters are those of query's ``GET /records/export``."""
        return await self._answer(request, f"records/export?{request.url.query}")

    async def export(self, request: Request) -> Response:
        """The file of an export that is done."""
        return await self._answer(request, f"exports/{_name(request, 'export_id')}/file")

    async def import_template(self, request: Request) -> Response:
        """A CSV file with the columns that an import knows."""
        return await self._answer(request, "imports/template")

    async def import_errors(self, request: Request) -> Response:
        """What was wrong in an imported file, as CSV."""
        return await self._answer(request, f"imports/{_name(request, 'import_id')}/errors?format=csv")

    async def _answer(self, request: Request, path: str) -> Response:
        try:
            return await self._pass_on(request, f"{self._api.query_url}/api/v1/{path}")
        except ApiError as error:
            return _page_of(error)

    async def _pass_on(self, request: Request, url: str) -> Response:
        session_id = session_id_of(request.cookies)
        if not session_id:
            raise _NOT_SIGNED_IN
        token = await run_in_threadpool(self._api.access_token, session_id)
        headers = {"authorization": f"Bearer {token.value}", "accept-encoding": "identity"}
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False))
            answer = await _unless_left(
                request, http.send(http.build_request("GET", url, headers=headers), stream=True)
            )
            if answer is None:
                return Response(status_code=499)  # nobody is there to read it
            stack.push_async_callback(answer.aclose)
            if answer.is_error:
                await answer.aread()
                raise error_of(answer)
            passed_on = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
            opened = stack.pop_all()
        return StreamingResponse(_body(answer, opened), headers={**passed_on, "cache-control": "no-store"})


async def _body(answer: httpx.Response, opened: AsyncExitStack) -> AsyncGenerator[bytes, None]:
    async with opened:
        async for piece in answer.aiter_raw():
            yield piece


async def _unless_left(request: Request, sending: Coroutine[Any, Any, httpx.Response]) -> httpx.Response | None:
    """The answer, or None when the browser leaves before; then query is left, too, and stops its work."""
    answer = asyncio.create_task(sending)
    left = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
        return await answer if answer.done() else None
    except httpx.HTTPError as error:
        raise ApiError("A service does not answer", "It may be starting. Try again in a few seconds.") from error
    finally:
        for task in (answer, left):
            task.cancel()
        await asyncio.gather(answer, left, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
