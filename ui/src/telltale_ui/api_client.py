"""The only HTTP client of the UI: every call to auth, query and generator goes through here."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from prometheus_client import Histogram

from telltale_ui.sessions import AccessToken, User
from telltale_ui.settings import UiSettings

Json = dict[str, Any]
Params = Mapping[str, str | int | float | bool | Sequence[str] | None]

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

    @classmethod
    def from_json(cls, body: Json) -> "Page":
        """From the list object that every service answers with."""
        return cls(body.get("items", []), body.get("next_cursor"), body.get("total"), body.get("total_is_exact", True))


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


class ApiClient:
    """Calls the services. One instance, and its connections, are shared by all sessions; it holds nobody's identity."""

    def __init__(self, *, auth_url: str, query_url: str, generator_url: str, http: httpx.Client | None = None) -> None:
        self.auth_url, self.query_url = auth_url.rstrip("/"), query_url.rstrip("/")
        self._auth = f"{self.auth_url}/api/v1"
        self._query = f"{self.query_url}/api/v1"
        self._generator = f"{generator_url.rstrip('/')}/api/v1"
        self._http = http or httpx.Client(timeout=_TIMEOUT)

    @classmethod
    def from_settings(cls, settings: UiSettings) -> "ApiClient":
        """A client of the services that the settings name."""
        return cls(auth_url=settings.auth_url, query_url=settings.query_url, generator_url=settings.generator_url)

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
            response = self._http.request(method, url, params=given(params), json=body, headers=sent)
            status = str(response.status_code)
        except httpx.HTTPError as error:
            raise ApiError("A service does not answer", "It may be starting, or be away for a moment.") from error
        finally:
            _SECONDS.labels(httpx.URL(url).netloc.decode(), method, status).observe(time.monotonic() - started)
        if response.is_error:
            raise error_of(response)
        return response

    def start_session(self, email: str, password: str) -> Json:
        """Sign in. Returns ``session_id`` and ``user``."""
        body: Json = self.request(
            "POST", f"{self._auth}/auth/sessions", body={"email": email, "password": password}
        ).json()
        return body

    def end_session(self, session_id: str) -> None:
        """Sign out everywhere this session id is used."""
        self.request("DELETE", f"{self._auth}/auth/sessions/current", authorization=f"Session {session_id}")

    def register(self, email: str, name: str, password: str) -> None:
        """Create an account with the role VIEWER."""
        self.request("POST", f"{self._auth}/auth/register", body={"email": email, "name": name, "password": password})

    def access_token(self, session_id: str) -> AccessToken:
        """A fresh access token for the session behind a cookie.

        Raises:
            ApiError: with status 401 when the session has ended.
        """
        body = self.request("POST", f"{self._auth}/auth/sessions/token", authorization=f"Session {session_id}").json()
        return AccessToken(
            value=body["access_token"],
            expires_at=time.monotonic() + float(body["expires_in"]),
            user=User.from_json(body["user"]),
        )

    def stream_token(self, access_token: str) -> Json:
        """``token`` and ``expires_in`` (seconds) for the live WebSocket."""
        body: Json = self.request(
            "POST", f"{self._auth}/auth/stream-token", authorization=f"Bearer {access_token}"
        ).json()
        return body

    def signed_in(self, token: Callable[[bool], str]) -> "SignedInApi":
        """The calls of one user; ``token(renew)`` gives their access token, a new one when ``renew``."""
        return SignedInApi(self, token, auth=self._auth, query=self._query, generator=self._generator)

    def is_up(self, service_url: str) -> bool:
        """Whether the service at ``service_url`` answers its liveness check."""
        try:
            self.request("GET", f"{service_url.rstrip('/')}/health/live")
        except ApiError:
            return False
        return True


class SignedInApi:
    """What one signed-in user may ask. A token that is refused is renewed once, so a changed role shows at once."""

    def __init__(
        self, client: ApiClient, token: Callable[[bool], str], *, auth: str, query: str, generator: str
    ) -> None:
        self._client = client
        self._token = token
        self._auth, self._query, self._generator = auth, query, generator

    def _call(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        def send(renew: bool) -> httpx.Response:
            return self._client.request(
                method, url, authorization=f"Bearer {self._token(renew)}", params=params, body=body, headers=headers
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

    # --- series and records

    def series(self) -> list[Json]:
        """Every series with its newest reading, by source and category."""
        items = self._page(f"{self._query}/series", {"limit": 1000}).items
        return sorted(items, key=lambda one: (one["source"], one["category"]))

    def records(self, params: Params) -> Page:
        """One page of records."""
        return self._page(f"{self._query}/records", params)

    def record(self, record_id: str) -> tuple[Json, str]:
        """One record and its ETag."""
        response = self._call("GET", f"{self._query}/records/{record_id}")
        return response.json(), response.headers.get("etag", "")

    def create_record(self, body: Json) -> Json:
        """Store one reading by hand."""
        created: Json = self._call("POST", f"{self._query}/records", body=body).json()
        return created

    def edit_record(self, record_id: str, body: Json, etag: str) -> None:
        """Change a record, unless somebody else did since ``etag`` was read."""
        self._call("PATCH", f"{self._query}/records/{record_id}", body=body, headers={"if-match": etag} if etag else {})

    def delete_record(self, record_id: str, etag: str) -> None:
        """Delete a record, unless somebody else changed it since ``etag`` was read."""
        self._call("DELETE", f"{self._query}/records/{record_id}", headers={"if-match": etag} if etag else {})

    # --- analytics and anomalies

    def summary(self, params: Params) -> Json:
        """The five numbers of a range."""
        return self._object(f"{self._query}/analytics/summary", params)

    def categories(self, params: Params) -> Json:
        """The same numbers side by side, per category."""
        return self._object(f"{self._query}/analytics/categories", params)

    def timeseries(self, params: Params) -> Json:
        """The values of a range, in as many points as a chart can show."""
        return self._object(f"{self._query}/analytics/timeseries", params)

    def anomalies(self, params: Params) -> Page:
        """One page of anomalies, newest first."""
        return self._page(f"{self._query}/anomalies", params)

    def judge_anomaly(self, anomaly_id: str, verdict: str | None) -> None:
        """Record a person's verdict: ``confirmed``, ``dismissed`` or ``None``."""
        self._call("PATCH", f"{self._query}/anomalies/{anomaly_id}", body={"verdict": verdict})

    def inject_anomaly(self, body: Json) -> Json:
        """Have the generator produce one anomaly, to see it caught."""
        injected: Json = self._call("POST", f"{self._generator}/generator/anomalies", body=body).json()
        return injected

    # --- accounts

    def me(self) -> User:
        """Whose calls these are, as auth knows them now."""
        return User.from_json(self._object(f"{self._auth}/auth/me"))

    def users(self, params: Params) -> Page:
        """One page of accounts."""
        return self._page(f"{self._auth}/users", params)

    def change_user(self, user_id: str, body: Json) -> Json:
        """Change ``role`` or ``is_active`` of an account."""
        changed: Json = self._call("PATCH", f"{self._auth}/users/{user_id}", body=body).json()
        return changed

    def status(self) -> Json:
        """Instances, queues and database."""
        return self._object(f"{self._query}/status")

    def ledger(self) -> Json:
        """Per producer: published, confirmed, stored, dead, missing, repeated; and the totals."""
        return self._object(f"{self._query}/ledger")

    def dead_letters(self, params: Params) -> Page:
        """One page of refused readings with their reasons."""
        return self._page(f"{self._query}/dead-letters", params)

    def logs(self, params: Params) -> Page:
        """One page of warnings and errors of the services."""
        return self._page(f"{self._query}/logs", params)

    def audit(self, service: str, params: Params) -> Page:
        """One page of who changed what: ``service`` is ``records`` (query) or ``accounts`` (auth)."""
        base = self._auth if service == "accounts" else self._query
        return self._page(f"{base}/audit", params)
