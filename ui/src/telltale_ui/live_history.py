"""What the live chart asks of the past: stored series and anomalies, passed on for the user of the cookie."""

from collections import OrderedDict
from time import monotonic

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from telltale_ui.api_client import ApiClient, ApiError, Params
from telltale_ui.sessions import AccessToken, session_id_of

_TOKENS_HELD = 1_000
_NO_STORE = {"cache-control": "no-store"}


class LiveHistory:
    """Routes that only read. Other sites cannot use them: ``SameSite=Strict`` keeps the cookie from their requests."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._tokens: OrderedDict[str, AccessToken] = OrderedDict()

    async def timeseries(self, request: Request) -> Response:
        """Query's ``GET /analytics/timeseries``, with its parameters."""
        return await self._answer(request, "analytics/timeseries")

    async def anomalies(self, request: Request) -> Response:
        """Query's ``GET /anomalies``, with its parameters."""
        return await self._answer(request, "anomalies")

    async def _answer(self, request: Request, path: str) -> Response:
        session_id = session_id_of(request.cookies)
        if not session_id:
            return _problem(ApiError("Not signed in", status=401))
        url = f"{self._api.query_url}/api/v1/{path}"
        asked = {name: request.query_params.getlist(name) for name in request.query_params}
        try:
            content = await run_in_threadpool(self._fetch, session_id, url, asked)
        except ApiError as error:
            return _problem(error)
        return Response(content, headers=_NO_STORE, media_type="application/json")

    def _fetch(self, session_id: str, url: str, asked: Params) -> bytes:
        def fetch() -> bytes:
            authorization = f"Bearer {self._token(session_id)}"
            return self._api.request("GET", url, authorization=authorization, params=asked).content

        try:
            return fetch()
        except ApiError as error:
            if error.status != 401:
                raise
        # The role may have changed since the token was made; auth says whether the session still holds.
        self._tokens.pop(session_id, None)
        return fetch()

    def _token(self, session_id: str) -> str:
        """A chart asks for many series at once: one token serves them all."""
        held = self._tokens.get(session_id)
        if held is None or not held.is_fresh(monotonic()):
            held = self._tokens[session_id] = self._api.access_token(session_id)
            self._tokens.move_to_end(session_id)
            while len(self._tokens) > _TOKENS_HELD:
                self._tokens.popitem(last=False)
        return held.value


def _problem(error: ApiError) -> Response:
    body = {"title": error.title, "status": error.status or 503, "detail": error.detail, "request_id": error.request_id}
    return JSONResponse(body, error.status or 503, headers=_NO_STORE, media_type="application/problem+json")
