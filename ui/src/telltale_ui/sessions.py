"""Who is using this browser tab: from the cookie to an access token.

The cookie holds an opaque session id that auth issued and can revoke. Page scripts cannot set cookies, so a login
hands the browser a one-time ticket, which it takes to the route that sets the cookie.
"""

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

SESSION_COOKIE = "telltale_session"
ROLES = ("VIEWER", "USER", "ADMIN")
TICKET_SECONDS = 30.0
_SESSION_ID = re.compile(r"[\w-]{1,200}", re.ASCII)
_RENEW_BEFORE_SECONDS = 45.0


def session_id_of(cookies: Mapping[str, str]) -> str:
    """The session id that a browser's cookies hold; empty where there is none, or something that auth never issued."""
    held = cookies.get(SESSION_COOKIE, "")
    return held if _SESSION_ID.fullmatch(held) else ""


class Tickets:
    """One-time, short-lived stand-ins for session ids, kept in memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._held: dict[str, tuple[float, str]] = {}

    def issue(self, session_id: str) -> str:
        """A ticket that :meth:`redeem` exchanges for ``session_id`` once, within 30 seconds."""
        ticket = secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            self._held = {key: entry for key, entry in self._held.items() if entry[0] > now}
            self._held[ticket] = (now + TICKET_SECONDS, session_id)
        return ticket

    def redeem(self, ticket: str) -> str | None:
        """The session id behind ``ticket``, or ``None`` when it is unknown, used or too old."""
        with self._lock:
            expires, session_id = self._held.pop(ticket, (0.0, ""))
        return session_id if session_id and expires > self._clock() else None


TICKETS = Tickets()
"""Shared by the page scripts, which issue, and the routes, which redeem: both run in one process."""


@dataclass(frozen=True)
class User:
    """The person signed in, as auth describes them."""

    id: str
    email: str
    name: str
    role: str

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "User":
        """From auth's user object."""
        return cls(id=str(body["id"]), email=body["email"], name=body.get("name") or body["email"], role=body["role"])

    def may(self, role: str) -> bool:
        """Whether this user's role includes ``role``; only for what is shown, the services decide for themselves."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class AccessToken:
    """A short-lived token for the REST interfaces, and whom it speaks for."""

    value: str
    expires_at: float
    """On ``time.monotonic()``."""
    user: User
    session_ends_at: float = float("inf")
    """When the session ends if it is not used again, seconds since 1970-01-01 UTC."""

    def is_fresh(self, now: float) -> bool:
        """Whether it will outlast the requests of one page run."""
        return now < self.expires_at - _RENEW_BEFORE_SECONDS
