"""What FastAPI endpoints ask for: a principal of at least a role, as a parameter's type."""

from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from telltale_shared.errors import Forbidden, Unauthenticated, Unavailable
from telltale_shared.security.roles import Principal, Role, Scope
from telltale_shared.security.tokens import InvalidToken, KeysUnavailable, TokenVerifier

log = structlog.get_logger("telltale.security")


class _Bearer(OAuth2PasswordBearer):
    """Reads the bearer token; Swagger's Authorize of auth asks for one."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("send an access token: Authorization: Bearer …")
        return token


_SCHEME = "AccessToken"
_bearer = _Bearer(tokenUrl="/api/v1/auth/token", scheme_name=_SCHEME)


def describe_foreign_tokens(app: FastAPI) -> None:
    """Make Swagger's Authorize of ``app`` take a token that auth has issued.

    The password form works in auth's own Swagger only: from elsewhere the browser would have to know auth's public
    address, and auth would have to answer pages of all other services.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemes = document.get("components", {}).get("securitySchemes", {})
        if _SCHEME in schemes:
            schemes[_SCHEME] = {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "The `access_token` that auth's `POST /api/v1/auth/token` answers, good for 5 minutes;"
                " or an API key, where its scopes allow it.",
            }
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


async def authenticated(request: Request, token: Annotated[str, Depends(_bearer)]) -> Principal:
    """The principal of a request; the app keeps its :class:`TokenVerifier` in ``app.state.verifier``.

    It is kept in ``request.state.principal``, for whoever reports on the request.
    """
    verifier: TokenVerifier = request.app.state.verifier
    try:
        principal: Principal = await verifier.authenticate(token)
    except InvalidToken as error:
        raise Unauthenticated(f"{error}; log in again") from error
    except KeysUnavailable as error:
        raise Unavailable(str(error)) from error
    request.state.principal = principal
    return principal


class RequireRole:
    """A dependency that lets only principals of at least ``role`` through and gives the principal.

    API keys come through only where a ``scope`` is named, and only those that have it.
    """

    def __init__(self, role: Role, scope: Scope | None = None) -> None:
        self.role = role
        self.scope = scope

    async def __call__(self, request: Request, principal: Annotated[Principal, Depends(authenticated)]) -> Principal:
        wanted = self._lacking(principal)
        if wanted is not None:
            log.info("not allowed", method=request.method, path=request.url.path, user_id=principal.user_id)
            raise Forbidden(f"this needs {wanted}")
        return principal

    def _lacking(self, principal: Principal) -> str | None:
        if not principal.role.includes(self.role):
            return f"the role {self.role}; yours is {principal.role}"
        if principal.scopes is not None and self.scope not in principal.scopes:
            return f"a key with the scope {self.scope}" if self.scope else "a person; no API key may do it"
        return None


Person = Annotated[Principal, Depends(RequireRole(Role.VIEWER))]
"""Parameter type of an endpoint about one's own account."""
Viewer = Annotated[Principal, Depends(RequireRole(Role.VIEWER, Scope.READ))]
"""Parameter type of an endpoint that anyone with an account may call, and API keys that may read."""
Ingest = Annotated[Principal, Depends(RequireRole(Role.USER, Scope.READINGS_WRITE))]
"""Parameter type of an endpoint that takes readings."""
User = Annotated[Principal, Depends(RequireRole(Role.USER))]
"""Parameter type of an endpoint that needs USER or ADMIN."""
Admin = Annotated[Principal, Depends(RequireRole(Role.ADMIN))]
"""Parameter type of an endpoint that needs ADMIN."""
