"""Who is asking and what they may do: access tokens verified locally, roles as a typed dependency."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import httpx
import jwt
import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from telltale_shared.errors import Forbidden, Unauthenticated, Unavailable

log = structlog.get_logger("telltale.security")

ISSUER = "telltale-auth"
AUDIENCE = "telltale"
ALGORITHM = "EdDSA"
LEEWAY_SECONDS = 10
REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub", "jti", "typ", "role", "ver"]
KEYS_MAX_AGE = 300.0
KEYS_MIN_AGE = 5.0
"""Seconds between fetches at least, so that forged key ids cannot make us hammer auth."""
KEYS_RETRY_AGE = 0.5
"""Seconds after a failed first fetch in which nobody tries again, so that requests do not queue up for the timeout."""
CACHE_SIZE = 10_000


class Role(StrEnum):
    """What an account may do; each role includes the ones before it."""

    VIEWER = "VIEWER"
    USER = "USER"
    ADMIN = "ADMIN"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do whatever ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose token a request or socket presented."""

    user_id: str
    name: str
    role: Role
    token_id: str
    token_version: int
    expires_at: int
    """Seconds since 1970-01-01 UTC."""


class KeysUnavailable(Exception):
    """The public keys could not be fetched and none are cached."""


class InvalidToken(Exception):
    """The token is not one of ours, not of this kind, or no longer valid."""


class TokenVerifier:
    """Verifies access tokens with the keys that auth publishes.

    Keys are fetched once and again when a token names an unknown one, at most every few seconds; while auth is away the
    cached keys go on working. Verified tokens are remembered until they expire.
    """

    def __init__(self, auth_url: str, *, http: httpx.AsyncClient | None = None) -> None:
        self._url = f"{auth_url}/.well-known/jwks.json"
        self._http = http
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")
        self._reachable = True
        self._lock = asyncio.Lock()
        self._verified: OrderedDict[tuple[str, str], Principal] = OrderedDict()

    async def verify(self, token: str, *, kind: str = "access") -> Principal:
        """The principal of ``token``.

        Args:
            token: the encoded JWT.
            kind: the ``typ`` claim it must have: ``access`` or ``stream``.

        Raises:
            InvalidToken: forged, expired, for another purpose, or malformed.
            KeysUnavailable: auth never answered since this service started.
        """
        known = self._verified.get((kind, token))
        if known is not None:
            if known.expires_at + LEEWAY_SECONDS > time.time():
                return known
            del self._verified[kind, token]
            raise InvalidToken("the token has expired")
        principal = _decode(token, await self._key_of(token), kind)
        self._verified[kind, token] = principal
        while len(self._verified) > CACHE_SIZE:
            self._verified.popitem(last=False)
        return principal

    async def problem(self) -> str | None:
        """Why no token can be verified right now, or None."""
        try:
            await self._refresh(max_age=KEYS_MAX_AGE)
        except KeysUnavailable as error:
            return str(error)
        return None

    async def _key_of(self, token: str) -> Any:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise InvalidToken("not a token") from error
        if header.get("alg") != ALGORITHM:
            raise InvalidToken("signed with an algorithm that is not accepted")
        key_id = header.get("kid")
        await self._refresh(max_age=KEYS_MAX_AGE if key_id in self._keys else KEYS_MIN_AGE)
        key = self._keys.get(str(key_id))
        if key is None:
            raise InvalidToken("signed with an unknown key")
        return key

    async def _refresh(self, *, max_age: float) -> None:
        async with self._lock:
            age = time.monotonic() - self._fetched_at
            if self._keys and age < max_age:
                return
            if not self._keys and age < KEYS_RETRY_AGE:
                raise KeysUnavailable(f"auth does not answer at {self._url}")
            try:
                self._keys, self._reachable = await self._fetch(), True
            except (httpx.HTTPError, ValueError, AttributeError, KeyError, jwt.PyJWTError) as error:
                if self._reachable:
                    log.warning("signing keys not fetched", url=self._url, error=repr(error))
                self._reachable = False
                if not self._keys:
                    raise KeysUnavailable(f"auth does not answer at {self._url}") from error
            finally:
                self._fetched_at = time.monotonic()

    async def _fetch(self) -> dict[str, Any]:
        if self._http is not None:
            response = await self._http.get(self._url, timeout=3.0)
        else:
            async with httpx.AsyncClient() as http:
                response = await http.get(self._url, timeout=3.0)
        keys = jwt.PyJWKSet.from_dict(response.raise_for_status().json()).keys
        return {str(key.key_id): key.key for key in keys}


def _decode(token: str, key: Any, kind: str) -> Principal:
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED_CLAIMS},
        )
        if claims["typ"] != kind:
            raise InvalidToken(f"this token is for {claims['typ']!r}, not for {kind!r}")
        return Principal(
            user_id=str(claims["sub"]),
            name=str(claims.get("name", "")),
            role=Role(claims["role"]),
            token_id=str(claims["jti"]),
            token_version=int(claims["ver"]),
            expires_at=int(claims["exp"]),
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise InvalidToken(str(error)) from error


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
                "description": "The `access_token` that auth's `POST /api/v1/auth/token` answers; good for 5 minutes.",
            }
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


async def authenticated(request: Request, token: Annotated[str, Depends(_bearer)]) -> Principal:
    """The principal of a request; the app keeps its :class:`TokenVerifier` in ``app.state.verifier``."""
    verifier: TokenVerifier = request.app.state.verifier
    try:
        return await verifier.verify(token)
    except InvalidToken as error:
        raise Unauthenticated(f"{error}; log in again") from error
    except KeysUnavailable as error:
        raise Unavailable(str(error)) from error


class RequireRole:
    """A dependency that lets only principals of at least ``role`` through and gives the principal."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, principal: Annotated[Principal, Depends(authenticated)]) -> Principal:
        if not principal.role.includes(self.role):
            raise Forbidden(f"this needs the role {self.role}; yours is {principal.role}")
        return principal


Viewer = Annotated[Principal, Depends(RequireRole(Role.VIEWER))]
"""Parameter type of an endpoint that anyone with an account may call."""
User = Annotated[Principal, Depends(RequireRole(Role.USER))]
"""Parameter type of an endpoint that needs USER or ADMIN."""
Admin = Annotated[Principal, Depends(RequireRole(Role.ADMIN))]
"""Parameter type of an endpoint that needs ADMIN."""
