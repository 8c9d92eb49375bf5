"""Verifying access tokens where they are presented: with published keys, without asking auth."""

import asyncio
import time
from collections import OrderedDict
from typing import Any

import httpx
import jwt
import structlog

from telltale_shared.security.api_keys import (
    KEY_LENGTH,
    KEY_PREFIX,
    ExchangeUnavailable,
    KeyExchange,
    KeyRefused,
)
from telltale_shared.security.revocations import Revocations
from telltale_shared.security.roles import Principal, Role, Scope

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


class KeysUnavailable(Exception):
    """The public keys could not be fetched and none are cached."""


class InvalidToken(Exception):
    """The token is not one of ours, not of this kind, or no longer valid."""


class TokenVerifier:
    """Verifies access tokens with the keys that auth publishes.

    Keys are fetched once and again when a token names an unknown one, at most every few seconds; while auth is away the
    cached keys go on working. Verified tokens are remembered until they expire; whether one was revoked is looked up
    each time.
    """

    def __init__(
        self, auth_url: str, *, revocations: Revocations | None = None, http: httpx.AsyncClient | None = None
    ) -> None:
        self.revocations = revocations or Revocations()
        self._exchange = KeyExchange(auth_url, http=http)
        self._url = f"{auth_url}/.well-known/jwks.json"
        self._http = http
        self._keys: dict[str, Any] = {}
        self._heads: dict[str, Any] = {}
        """The key that belongs to a token's first part, which is the same for all that one key has signed."""
        self._fetched_at = float("-inf")
        self._reachable = True
        self._lock = asyncio.Lock()
        self._verified: OrderedDict[tuple[str, str], Principal] = OrderedDict()

    async def verify(self, token: str, *, kind: str = "access") -> Principal:
        """The principal of ``token``.

        Args:
            token: the encoded JWT.
            kind: the ``typ`` claim it must have: ``access``, ``stream``, or ``key`` for one that an API key got.

        Raises:
            InvalidToken: forged, expired, revoked, for another purpose, or malformed.
            KeysUnavailable: auth never answered since this service started.
        """
        principal = self._verified.get((kind, token))
        if principal is None:
            head = token.partition(".")[0]
            if head not in self._heads or time.monotonic() - self._fetched_at >= KEYS_MAX_AGE:
                key = await self._key_of(token)
                principal = _decode(token, key, kind)
                self._heads[head] = key
            else:
                principal = _decode(token, self._heads[head], kind)
            self._verified[kind, token] = principal
            while len(self._verified) > CACHE_SIZE:
                self._verified.popitem(last=False)
        elif principal.expires_at + LEEWAY_SECONDS <= time.time():
            del self._verified[kind, token]
            raise InvalidToken("the token has expired")
        if self.revocations.covers(principal):
            raise InvalidToken("the account has changed since this token was issued")
        return principal

    async def authenticate(self, credential: str) -> Principal:
        """The principal of what a request presents: an access token, or an API key.

        Raises:
            InvalidToken: it is neither, or not valid any more.
            KeysUnavailable: auth does not answer, and what it said before does not tell.
        """
        if not (credential.startswith(KEY_PREFIX) and credential.isascii() and len(credential) == KEY_LENGTH):
            return await self.verify(credential)
        try:
            try:
                return await self.verify(await self._exchange.token_of(credential), kind="key")
            except InvalidToken:
                # The owner may have changed since; the key itself may still be good.
                self._exchange.forget(credential)
                return await self.verify(await self._exchange.token_of(credential), kind="key")
        except KeyRefused as error:
            raise InvalidToken(str(error)) from error
        except ExchangeUnavailable as error:
            raise KeysUnavailable(str(error)) from error

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
                self._heads.clear()
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
            session_id=str(claims.get("sid", "")),
            scopes=None if kind != "key" else frozenset(Scope(scope) for scope in str(claims["scope"]).split()),
        )
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise InvalidToken(str(error)) from error
