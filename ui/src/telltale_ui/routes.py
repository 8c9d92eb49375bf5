"""The few routes that the browser itself calls: the cookie, the stream token, files, health."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from telltale_ui.api_client import ApiClient, ApiError
from telltale_ui.downloads import Downloads
from telltale_ui.live_history import LiveHistory
from telltale_ui.sessions import SESSION_COOKIE, Tickets, session_id_of
from telltale_ui.uploads import Uploads

Endpoint = Callable[[Request], Awaitable[Response]]

_NO_STORE = {"cache-control": "no-store"}
_TICKET_LIMIT_BYTES = 256


def is_same_origin(request: Request) -> bool:
    """Whether a page of this very origin sent the request: no other site may sign anybody in or out."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host", "-")


def _refusal(status: int, title: str, detail: str = "") -> JSONResponse:
    body = {"title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, headers=_NO_STORE, media_type="application/problem+json")


class SessionRoutes:
    """What a browser asks of the UI's own server, with the cookie that page scripts cannot set."""

    def __init__(self, api: ApiClient, tickets: Tickets) -> None:
        self._api = api
        self._tickets = tickets

    async def start(self, request: Request) -> Response:
        """Exchange a page script's ticket for the session cookie."""
        if int(request.headers.get("content-length") or _TICKET_LIMIT_BYTES + 1) > _TICKET_LIMIT_BYTES:
            return _refusal(413, "Too large")
        session_id = self._tickets.redeem((await request.body()).decode("ascii", "replace"))
        if session_id is None:
            return _refusal(401, "This sign-in has expired", "Please sign in again.")
        response = Response(status_code=204, headers=_NO_STORE)
        secure = request.url.scheme == "https"
        response.set_cookie(SESSION_COOKIE, session_id, httponly=True, samesite="strict", secure=secure, path="/")
        return response

    async def end(self, request: Request) -> Response:
        """End the session at auth and clear its cookie: the browser forgets it also while auth cannot be told."""
        response: Response = Response(status_code=204, headers=_NO_STORE)
        session_id = session_id_of(request.cookies)
        if session_id:
            try:
                await run_in_threadpool(self._api.end_session, session_id)
            except ApiError as error:
                if error.status != 401:  # 401: it had ended already
                    response = _refusal(503, error.title, error.detail)
        response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
        return response

    async def stream_token(self, request: Request) -> Response:
        """A token for the live WebSocket, good for half a minute, and the role that it gives."""
        session_id = session_id_of(request.cookies)
        if not session_id:
            return _refusal(401, "Not signed in")

        def obtain() -> dict[str, object]:
            access = self._api.access_token(session_id)
            return {**self._api.stream_token(access.value), "role": access.user.role}

        try:
            return JSONResponse(await run_in_threadpool(obtain), headers=_NO_STORE)
        except ApiError as error:
            return _refusal(error.status or 503, error.title, error.detail)

    async def ready(self, _: Request) -> Response:
        """Whether the services that no page can do without answer."""
        services = {"auth": self._api.auth_url, "query": self._api.query_url}
        up = {name: await run_in_threadpool(self._api.is_up, url) for name, url in services.items()}
        body = {
            "status": "ok" if all(up.values()) else "degraded",
            "dependencies": {name: "ok" if answers else "does not answer" for name, answers in up.items()},
        }
        return JSONResponse(body, 200 if all(up.values()) else 503)


async def _metrics(_: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _live(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _own_pages_only(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        return await endpoint(request) if is_same_origin(request) else _refusal(403, "Not allowed")

    return guarded


def create_routes(api: ApiClient, tickets: Tickets) -> list[Route]:
    """The routes, calling auth through ``api`` and redeeming the page scripts' ``tickets``."""
    sessions = SessionRoutes(api, tickets)
    downloads = Downloads(api)
    history = LiveHistory(api)
    return [
        Route("/session/start", _own_pages_only(sessions.start), methods=["POST"]),
        Route("/session/end", _own_pages_only(sessions.end), methods=["POST"]),
        Route("/stream-token", _own_pages_only(sessions.stream_token), methods=["POST"]),
        Route("/live/timeseries", history.timeseries),
        Route("/live/anomalies", history.anomalies),
        Route("/files/records", downloads.records),
        Route("/files/exports/{export_id}", downloads.export),
        Route("/files/imports/template", downloads.import_template),
        Route("/files/imports/{import_id}/errors", downloads.import_errors),
        Route("/files/imports", _own_pages_only(Uploads(api).import_records), methods=["POST"]),
        Route("/health/live", _live),
        Route("/health/ready", sessions.ready),
        Route("/metrics", _metrics),
    ]
