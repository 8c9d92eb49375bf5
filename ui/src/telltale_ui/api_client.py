"""The only HTTP client of the UI: every call to auth, query, alerts and generator goes through here."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime

import httpx

from telltale_ui.account_calls import AccountCalls
from telltale_ui.alert_calls import AlertCalls
from telltale_ui.data_calls import DataCalls
from telltale_ui.http_calls import ApiError, HttpCalls, Json, Page, Params, error_of, given
from telltale_ui.sessions import AccessToken, User
from telltale_ui.settings import UiSettings

__all__ = ["ApiClient", "ApiError", "Json", "Page", "Params", "SignedInApi", "error_of", "given"]


class ApiClient(HttpCalls):
    """Calls the services. One instance, and its connections, are shared by all sessions; it holds nobody's identity."""

    def __init__(
        self, *, auth_url: str, query_url: str, generator_url: str, alerts_url: str, http: httpx.Client | None = None
    ) -> None:
        super().__init__(http)
        self.auth_url, self.query_url = auth_url.rstrip("/"), query_url.rstrip("/")
        self._auth = f"{self.auth_url}/api/v1"
        self._query = f"{self.query_url}/api/v1"
        self._generator = f"{generator_url.rstrip('/')}/api/v1"
        self._alerts = f"{alerts_url.rstrip('/')}/api/v1"

    @classmethod
    def from_settings(cls, settings: UiSettings) -> "ApiClient":
        """A client of the services that the settings name."""
        return cls(
            auth_url=settings.auth_url,
            query_url=settings.query_url,
            generator_url=settings.generator_url,
            alerts_url=settings.alerts_url,
        )

    def start_session(self, email: str, password: str, browser: Mapping[str, str] | None = None) -> Json:
        """Sign in. Returns ``session_id`` and ``user``.

        Args:
            email: of the account.
            password: of the account.
            browser: what is known of the browser, as :func:`login.browser` says it.
        """
        credentials = {"email": email, "password": password}
        body: Json = self.request("POST", f"{self._auth}/auth/sessions", body=credentials, headers=browser).json()
        return body

    def end_session(self, session_id: str) -> None:
        """Sign out everywhere this session id is used."""
        self.request("DELETE", f"{self._auth}/auth/sessions/current", authorization=f"Session {session_id}")

    def register(self, email: str, name: str, password: str, browser: Mapping[str, str] | None = None) -> None:
        """Create an account with the role VIEWER; answered the same when the address has one already."""
        body = {"email": email, "name": name, "password": password}
        self.request("POST", f"{self._auth}/auth/register", body=body, headers=browser)

    def can_register(self) -> bool:
        """Whether anybody may create an account."""
        return bool(self.request("GET", f"{self._auth}/auth/registration").json()["is_open"])

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
            session_ends_at=datetime.fromisoformat(body["session_expires_at"]).timestamp(),
        )

    def stream_token(self, access_token: str) -> Json:
        """``token`` and ``expires_in`` (seconds) for the live WebSocket."""
        body: Json = self.request(
            "POST", f"{self._auth}/auth/stream-token", authorization=f"Bearer {access_token}"
        ).json()
        return body

    def signed_in(self, token: Callable[[bool], str]) -> "SignedInApi":
        """The calls of one user; ``token(renew)`` gives their access token, a new one when ``renew``."""
        return SignedInApi(
            self, token, auth=self._auth, query=self._query, generator=self._generator, alerts=self._alerts
        )

    def is_up(self, service_url: str) -> bool:
        """Whether the service at ``service_url`` answers its liveness check."""
        try:
            self.request("GET", f"{service_url.rstrip('/')}/health/live")
        except ApiError:
            return False
        return True


class SignedInApi(DataCalls, AlertCalls, AccountCalls):
    """What one signed-in user may ask."""

    # --- the system

    def status(self) -> Json:
        """Instances, queues and database."""
        return self._object(f"{self._query}/status")

    def ledger(self, params: Params) -> Json:
        """Per producer: published, confirmed, stored, dead, missing, repeated; and the totals."""
        return self._object(f"{self._query}/ledger", params)

    def ledger_days(self, params: Params) -> list[Json]:
        """The same by UTC day, newest first."""
        days: list[Json] = self._object(f"{self._query}/ledger/days", params)["days"]
        return days

    def missing_numbers(self, params: Params) -> Page:
        """One page of runs of numbers that are missing."""
        return self._page(f"{self._query}/ledger/missing", params)

    def dead_letters(self, params: Params) -> Page:
        """One page of refused readings with their reasons."""
        return self._page(f"{self._query}/dead-letters", params)

    def dead_letter(self, letter_id: str) -> Json:
        """One of them with its whole payload."""
        return self._object(f"{self._query}/dead-letters/{letter_id}")

    def resolve_dead_letters(self, what: str, choice: Json) -> Json:
        """Start to ``replay`` or ``discard`` those of ``choice``. Returns the job."""
        return self._send("POST", f"{self._query}/dead-letters/{what}", choice)

    def logs(self, params: Params) -> Page:
        """One page of warnings and errors of the services."""
        return self._page(f"{self._query}/logs", params)

    def audit(self, service: str, params: Params) -> Page:
        """One page of who changed what: ``service`` is ``records`` (query), ``accounts`` (auth) or ``alerts``."""
        bases = {"records": self._query, "accounts": self._auth, "alerts": self._alerts}
        return self._page(f"{bases[service]}/audit", params)
