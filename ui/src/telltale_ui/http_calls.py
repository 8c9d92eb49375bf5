"""HTTP calls to the services: errors as what a person needs to know, lists as pages, tokens renewed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from prometheus_client import Histogram

Json = dict[str, Any]
Params = Mapping[str, str | int | float | bool | Sequence[str] | None]
Files = Mapping[str, tuple[str, bytes]]
"""Small files by the name of their form field: file name and content."""

_SECONDS = Histogram(
    "telltale_ui_request_seconds",
    "Calls from the UI to the services, until the answer.",
    ["service", "method", "status"],
)
_TIMEOUT = httpx.Timeout(15.0, connect=3.0)


class ApiError(Exception):
    """A service refused or could not be reached; carries what a person needs to know about it."""

    def __init__(
        self, title: str, detail: str = "", *, status: int = 0, request_id: str = "", fields: Sequence[Json] = ()
    ) -> None:
        super().__init__(detail or title)
        self.title = title
        self.detail = detail
        self.status = status
        """HTTP status, 0 when there was no answer."""
        self.request_id = request_id
        self.fields = list(fields)
        """Per field that was wrong: ``field`` and ``message``."""


@dataclass(frozen=True)
class Page:
    """One page of a list."""

    items: list[Json] = field(default_factory=list)
    next_cursor: str | None = None
    total: int | None = None
    total_is_exact: bool = True
    previous_cursor: str | None = None

    @classmethod
    def from_json(cls, body: Json) -> "Page":
        """From the list object that every service answers with."""
        return cls(
            body.get("items", []),
            body.get("next_cursor"),
            body.get("total"),
            body.get("total_is_exact", True),
            body.get("previous_cursor"),
        )


def given(params: Params | None) -> dict[str, Any]:
    """``params`` without those that are ``None`` or empty."""
    return {name: value for name, value in (params or {}).items() if value not in (None, "", [], ())}


def error_of(response: httpx.Response) -> ApiError:
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    return ApiError(
        str(body.get("title") or response.reason_phrase or "Request failed"),
        str(body.get("detail") or ""),
        status=response.status_code,
        request_id=str(body.get("request_id") or response.headers.get("x-request-id", "")),
        fields=body.get("errors") or [],
    )


class HttpCalls:
    """Calls services over connections that all users share."""

    def __init__(self, http: httpx.Client | None = None) -> None:
        self._http = http or httpx.Client(timeout=_TIMEOUT)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        authorization: str = "",
        params: Params | None = None,
        body: Json | None = None,
        files: Files | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One call; parameters that are ``None`` or empty are left out.

        Raises:
            ApiError: no answer, or an answer of 400 and above.
        """
        sent = {"accept": "application/json", **(headers or {})}
        if authorization:
            sent["authorization"] = authorization
        started = time.monotonic()
        status = "no answer"
        try:
            response = self._http.request(method, url, params=given(params), json=body, files=files, headers=sent)
            status = str(response.status_code)
        except httpx.HTTPError as error:
            raise ApiError("A service does not answer", "It may be starting, or be away for a moment.") from error
        finally:
            _SECONDS.labels(httpx.URL(url).netloc.decode(), method, status).observe(time.monotonic() - started)
        if response.is_error:
            raise error_of(response)
        return response


class UserCalls:
    """Calls in the name of one signed-in user.

    A token that is refused is renewed once, so a changed role shows at once.
    """

    def __init__(
        self, client: HttpCalls, token: Callable[[bool], str], *, auth: str, query: str, generator: str, alerts: str
    ) -> None:
        self._client = client
        self._token = token
        self._auth, self._query, self._generator, self._alerts = auth, query, generator, alerts

    def _call(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        body: Json | None = None,
        files: Files | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        def send(renew: bool) -> httpx.Response:
            authorization = f"Bearer {self._token(renew)}"
            return self._client.request(
                method, url, authorization=authorization, params=params, body=body, files=files, headers=headers
            )

        try:
            return send(False)
        except ApiError as error:
            if error.status not in (401, 403):
                raise
            return send(True)

    def _page(self, url: str, params: Params) -> Page:
        return Page.from_json(self._call("GET", url, params=params).json())

    def _object(self, url: str, params: Params | None = None) -> Json:
        body: Json = self._call("GET", url, params=params).json()
        return body

    def _send(self, method: str, url: str, body: Json) -> Json:
        answer: Json = self._call(method, url, body=body).json()
        return answer
