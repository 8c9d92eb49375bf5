"""Files on their way from the browser to query: passed through piece by piece, never held."""

import httpx
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from telltale_ui.api_client import ApiClient, ApiError
from telltale_ui.sessions import session_id_of

_TIMEOUT = httpx.Timeout(60.0, connect=3.0, read=900.0)
_PASSED_ON = ("content-type", "content-length")
_NO_STORE = {"cache-control": "no-store"}
CLIENT_CLOSED_REQUEST = 499
"""For the log alone: nobody is there to read the answer."""


def _refusal(error: ApiError) -> Response:
    status = error.status or 503
    body = {"title": error.title, "detail": error.detail, "status": status, "request_id": error.request_id or None}
    return JSONResponse(body, status, headers=_NO_STORE, media_type="application/problem+json")


class Uploads:
    """The route that a file is sent to, for the user of the cookie."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def import_records(self, request: Request) -> Response:
        """A CSV file as the multipart field ``file``; body and query parameters are those of query's ``POST /imports``.

        A limit on its size is query's to keep: its refusal reaches the browser as it is.
        """
        session_id = session_id_of(request.cookies)
        if not session_id:
            return _refusal(ApiError("Not signed in", "Sign in, then send the file again.", status=401))
        try:
            token = await run_in_threadpool(self._api.access_token, session_id)
            return await self._pass_on(request, token.value)
        except ApiError as error:
            return _refusal(error)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)

    async def _pass_on(self, request: Request, token: str) -> Response:
        url = f"{self._api.query_url}/api/v1/imports?{request.url.query}"
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        headers["authorization"] = f"Bearer {token}"
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as http:
            try:
                # The browser is read only as fast as query takes the file.
                answer = await http.post(url, headers=headers, content=request.stream())
            except httpx.HTTPError as error:
                raise ApiError("The file was not taken", "Query does not answer. Nothing was imported.") from error
        media_type = answer.headers.get("content-type", "application/json")
        return Response(answer.content, answer.status_code, headers=_NO_STORE, media_type=media_type)
