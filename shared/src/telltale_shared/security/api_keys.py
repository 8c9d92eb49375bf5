"""API keys where they are presented: exchanged at auth for access tokens, which are then verified like any other."""

import asyncio
import hashlib
import time
from collections import OrderedDict

import httpx

KEY_PREFIX = "tt_"
"""How every key begins, so that it is known from a token, and found where it should not be."""
KEY_LENGTH = len(KEY_PREFIX) + 43
"""256 random bits in base64url."""

CACHE_SIZE = 1_000
REFUSED_SECONDS = 10.0
"""How long a key that auth refused is not asked about again."""
RENEW_BEFORE = 15.0
"""Seconds before its end that a token is not used any more."""
EXCHANGES_AT_ONCE = 8
"""Requests to auth at once, so that forged keys cannot flood it."""
TIMEOUT = 3.0


class KeyRefused(Exception):
    """Auth does not know the key, or it is expired or revoked."""


class ExchangeUnavailable(Exception):
    """Auth did not answer."""


class KeyExchange:
    """Access tokens in exchange for keys.

    A token is used until shortly before it ends, so auth is asked once in five minutes for each key. It is remembered
    under the key's digest.
    """

    def __init__(self, auth_url: str, *, http: httpx.AsyncClient | None = None) -> None:
        self._url = f"{auth_url}/api/v1/auth/api-keys/token"
        self._http = http
        self._tokens: OrderedDict[bytes, tuple[str | None, float]] = OrderedDict()
        self._gate = asyncio.Semaphore(EXCHANGES_AT_ONCE)

    async def token_of(self, key: str) -> str:
        """An access token of ``key``.

        Raises:
            KeyRefused: it is not a good key.
            ExchangeUnavailable: auth does not answer.
        """
        name = hashlib.sha256(key.encode()).digest()
        if name not in self._tokens or self._tokens[name][1] <= time.monotonic():
            async with self._gate:
                # Looked at again: somebody else may have asked for the same key meanwhile.
                if name not in self._tokens or self._tokens[name][1] <= time.monotonic():
                    self._remember(name, *await self._ask(key))
        token = self._tokens[name][0]
        if token is None:
            raise KeyRefused("this API key is not valid: unknown, expired or revoked")
        return token

    def forget(self, key: str) -> None:
        """Ask auth anew: the token that it gave for ``key`` counts no longer."""
        self._tokens.pop(hashlib.sha256(key.encode()).digest(), None)

    def _remember(self, name: bytes, token: str | None, good_for: float) -> None:
        self._tokens.pop(name, None)
        self._tokens[name] = token, time.monotonic() + good_for
        while len(self._tokens) > CACHE_SIZE:
            self._tokens.popitem(last=False)

    async def _ask(self, key: str) -> tuple[str | None, float]:
        headers = {"Authorization": f"Bearer {key}"}
        try:
            if self._http is not None:
                response = await self._http.post(self._url, headers=headers, timeout=TIMEOUT)
            else:
                async with httpx.AsyncClient() as http:
                    response = await http.post(self._url, headers=headers, timeout=TIMEOUT)
            if response.status_code == 401:
                return None, REFUSED_SECONDS
            body = response.raise_for_status().json()
            return str(body["access_token"]), float(body["expires_in"]) - RENEW_BEFORE
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ExchangeUnavailable("auth does not answer: this API key cannot be looked up right now") from error
