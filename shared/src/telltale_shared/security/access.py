"""Who may call what: every route of every service. Tests compare it with the services and try each line.

An endpoint asks for its role by a parameter's type (``Viewer``, ``User``, ``Admin``); this table says what that must
be, on one page, so that a right given by mistake shows. A new route needs its line here.
"""

from dataclasses import dataclass

from telltale_shared.security.roles import Role, Scope


@dataclass(frozen=True, slots=True)
class Access:
    """What one route asks of whoever calls it."""

    role: Role | None
    """The least role of an access token; None where none is looked at."""
    scope: Scope | None = None
    """The scope with which an API key may call it, too; None: no API key may."""
    secret: bool = False
    """Whether it asks for another secret than an access token: a session's, an API key, a one-time ticket."""
    own_page: bool = False
    """Whether it answers pages of its own origin alone: what a browser's cookie opens, another site must not use."""


ANYONE = Access(None)
SESSION = Access(None, secret=True)
API_KEY = Access(None, secret=True)
VIEWER = Access(Role.VIEWER, Scope.READ)
USER = Access(Role.USER)
ADMIN = Access(Role.ADMIN)
PERSON = Access(Role.VIEWER)
"""Anyone with an account, about oneself: no API key may."""
INGEST = Access(Role.USER, Scope.READINGS_WRITE)
COOKIE = Access(None, secret=True)
"""With the UI's cookie, which browsers send from the UI's own pages alone; the service behind it asks for the role."""
COOKIE_OWN_PAGE = Access(None, secret=True, own_page=True)
TICKET = COOKIE_OWN_PAGE
"""With a ticket that a page script got for signing in."""
OWN_PAGE = Access(None, own_page=True)

COMMON = {
    "GET /health/live": ANYONE,
    "GET /health/ready": ANYONE,
    "GET /metrics": ANYONE,
    "GET /openapi.json": ANYONE,
    "GET /docs": ANYONE,
    "GET /docs/oauth2-redirect": ANYONE,
    "GET /redoc": ANYONE,
}
"""What every service has. Describes the service and its health; holds nothing of what is measured."""

ACCESS: dict[str, dict[str, Access]] = {
    "alerts": {
        "GET /api/v1/alerts": VIEWER,
        "GET /api/v1/alerts/status": VIEWER,
        "GET /api/v1/alerts/{id}": VIEWER,
        "POST /api/v1/alerts/{id}/acknowledgement": USER,
        "DELETE /api/v1/alerts/{id}/acknowledgement": USER,
        "GET /api/v1/rules": VIEWER,
        "POST /api/v1/rules": USER,
        "POST /api/v1/rules/try": VIEWER,
        "GET /api/v1/rules/{id}": VIEWER,
        "PUT /api/v1/rules/{id}": USER,
        "DELETE /api/v1/rules/{id}": USER,
        "GET /api/v1/silences": VIEWER,
        "POST /api/v1/silences": USER,
        "DELETE /api/v1/silences/{id}": USER,
        "GET /api/v1/webhooks": ADMIN,
        "POST /api/v1/webhooks": ADMIN,
        "PUT /api/v1/webhooks/{id}": ADMIN,
        "DELETE /api/v1/webhooks/{id}": ADMIN,
        "POST /api/v1/webhooks/{id}/try": ADMIN,
        "GET /api/v1/webhooks/{id}/deliveries": ADMIN,
        "GET /api/v1/audit": ADMIN,
    },
    "auth": {
        "GET /.well-known/jwks.json": ANYONE,
        "POST /api/v1/auth/register": ANYONE,
        "GET /api/v1/auth/registration": ANYONE,
        "POST /api/v1/auth/token": ANYONE,
        "POST /api/v1/auth/refresh": ANYONE,
        "POST /api/v1/auth/logout": ANYONE,
        "POST /api/v1/auth/sessions": ANYONE,
        "POST /api/v1/auth/sessions/token": SESSION,
        "DELETE /api/v1/auth/sessions/current": SESSION,
        "GET /api/v1/auth/sessions": PERSON,
        "DELETE /api/v1/auth/sessions": PERSON,
        "DELETE /api/v1/auth/sessions/{id}": PERSON,
        "POST /api/v1/auth/password": PERSON,
        "GET /api/v1/auth/api-keys": PERSON,
        "POST /api/v1/auth/api-keys": PERSON,
        "DELETE /api/v1/auth/api-keys/{id}": PERSON,
        "POST /api/v1/auth/api-keys/token": API_KEY,
        "POST /api/v1/auth/stream-token": PERSON,
        "GET /api/v1/auth/me": PERSON,
        "PATCH /api/v1/auth/me": PERSON,
        "GET /api/v1/users": ADMIN,
        "PATCH /api/v1/users/{id}": ADMIN,
        "GET /api/v1/users/{id}/sessions": ADMIN,
        "DELETE /api/v1/users/{id}/sessions": ADMIN,
        "GET /api/v1/audit": ADMIN,
    },
    "query": {
        "GET /api/v1/series": VIEWER,
        "GET /api/v1/records": VIEWER,
        "POST /api/v1/records": USER,
        "GET /api/v1/records/export": VIEWER,
        "POST /api/v1/records/deletions": ADMIN,
        "POST /api/v1/records/deletions/preview": ADMIN,
        "GET /api/v1/records/{record_id}": VIEWER,
        "PATCH /api/v1/records/{record_id}": USER,
        "DELETE /api/v1/records/{record_id}": USER,
        "GET /api/v1/analytics/summary": VIEWER,
        "GET /api/v1/analytics/categories": VIEWER,
        "GET /api/v1/analytics/distribution": VIEWER,
        "GET /api/v1/analytics/sources": VIEWER,
        "GET /api/v1/analytics/timeseries": VIEWER,
        "GET /api/v1/analytics/top": VIEWER,
        "GET /api/v1/anomalies": VIEWER,
        "PATCH /api/v1/anomalies/{anomaly_id}": USER,
        "POST /api/v1/anomalies/try": VIEWER,
        "GET /api/v1/sensitivity": VIEWER,
        "PUT /api/v1/sensitivity": USER,
        "GET /api/v1/exports": VIEWER,
        "POST /api/v1/exports": VIEWER,
        "GET /api/v1/exports/{export_id}": VIEWER,
        "GET /api/v1/exports/{export_id}/file": VIEWER,
        "DELETE /api/v1/exports/{export_id}": VIEWER,
        "GET /api/v1/jobs": VIEWER,
        "GET /api/v1/jobs/{job_id}": VIEWER,
        "POST /api/v1/jobs/{job_id}/cancel": VIEWER,
        "GET /api/v1/imports": VIEWER,
        "POST /api/v1/imports": USER,
        "GET /api/v1/imports/template": VIEWER,
        "POST /api/v1/imports/preview": USER,
        "GET /api/v1/imports/{import_id}": VIEWER,
        "DELETE /api/v1/imports/{import_id}": USER,
        "POST /api/v1/imports/{import_id}/apply": USER,
        "GET /api/v1/imports/{import_id}/errors": VIEWER,
        "GET /api/v1/ledger": VIEWER,
        "GET /api/v1/ledger/days": VIEWER,
        "GET /api/v1/ledger/missing": VIEWER,
        "GET /api/v1/dead-letters": ADMIN,
        "GET /api/v1/dead-letters/{letter_id}": ADMIN,
        "POST /api/v1/dead-letters/replay": ADMIN,
        "POST /api/v1/dead-letters/discard": ADMIN,
        "GET /api/v1/status": VIEWER,
        "GET /api/v1/logs": ADMIN,
        "GET /api/v1/audit": ADMIN,
        "GET /api/v1/audit/export": ADMIN,
    },
    "gateway": {
        # The token comes in the first message, not in a header: the gateway's own tests try it.
        "WEBSOCKET /api/v1/stream": PERSON,
    },
    "generator": {
        "GET /api/v1/generator": VIEWER,
        "PATCH /api/v1/generator": USER,
        "POST /api/v1/generator/anomalies": USER,
        "POST /api/v1/readings": INGEST,
    },
    "ui": {
        "POST /session/start": TICKET,
        "POST /session/end": OWN_PAGE,
        "POST /stream-token": COOKIE_OWN_PAGE,
        "GET /live/timeseries": COOKIE,
        "GET /live/anomalies": COOKIE,
        "GET /files/records": COOKIE,
        "GET /files/exports/{export_id}": COOKIE,
        "GET /files/imports/template": COOKIE,
        "GET /files/imports/{import_id}/errors": COOKIE,
        "POST /files/imports": COOKIE_OWN_PAGE,
        "GET /health/live": ANYONE,
        "GET /health/ready": ANYONE,
        "GET /metrics": ANYONE,
    },
    "detector": {},
    "jobs": {},
    "writer": {},
}
"""Per service: method and path → access. :data:`COMMON` goes for all but the UI, whose pages are Streamlit's."""
