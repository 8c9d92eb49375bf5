"""Access tokens: signed here with Ed25519, verified anywhere with the published key."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from telltale_shared.security import ALGORITHM, AUDIENCE, ISSUER, Role, Scope

ACCESS_SECONDS = 300
"""How long an access token is good for: the bound of how long a revoked one can still be used elsewhere."""
STREAM_SECONDS = 30
"""How long a WebSocket may take to be opened with its token."""

Jwk = dict[str, str]


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def thumbprint(jwk: Jwk) -> str:
    """The key's name: RFC 7638 over the required members of an Ed25519 key (RFC 8037), so it never has to be chosen."""
    required = {name: jwk[name] for name in ("crv", "kty", "x")}
    return _base64url(hashlib.sha256(json.dumps(required, sort_keys=True, separators=(",", ":")).encode()).digest())


def _jwk(key: Ed25519PrivateKey) -> Jwk:
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public)}
    return {**jwk, "kid": thumbprint(jwk), "use": "sig", "alg": ALGORITHM}


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a token is issued to."""

    user_id: int
    name: str
    role: Role
    version: int
    """Counts the changes of the account; tokens of an older version are refused."""
    session_id: str
    """The session, family of refresh tokens or API key that asks; revoked alone, it takes its tokens along."""


class TokenSigner:
    """Issues tokens with one private key; publishes it beside those that it follows, or that will follow it.

    Args:
        seed: the private key, 64 hexadecimal digits.
        others: further private keys, whose tokens are verified, too: the one before, until its last token has expired,
            and the next one, so that every verifier knows it before it signs.
    """

    def __init__(self, seed: str, others: Iterable[str] = ()) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
        mine = _jwk(self._key)
        self.key_id = mine["kid"]
        rest = (_jwk(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(other))) for other in others)
        self._published = {one["kid"]: one for one in (mine, *rest)}

    @property
    def public_keys(self) -> dict[str, list[Jwk]]:
        """The JSON Web Key Set that verifiers fetch."""
        return {"keys": list(self._published.values())}

    def access_token(self, holder: Holder) -> str:
        """A token for the REST interfaces, good for five minutes."""
        return self._signed("access", ACCESS_SECONDS, holder)

    def key_token(self, holder: Holder, scopes: Sequence[Scope]) -> str:
        """A token for the REST interfaces that an API key got: good for five minutes, and for its scopes alone."""
        return self._signed("key", ACCESS_SECONDS, holder, scope=" ".join(scopes))

    def stream_token(self, holder: Holder) -> str:
        """A token that opens the live WebSocket, good for half a minute."""
        return self._signed("stream", STREAM_SECONDS, holder)

    def _signed(self, kind: str, seconds: int, holder: Holder, **more: str) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(holder.user_id),
            "jti": secrets.token_hex(16),
            "sid": holder.session_id,
            "typ": kind,
            "role": holder.role.value,
            "ver": holder.version,
            "name": holder.name,
            "iat": now,
            "exp": now + seconds,
            **more,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self.key_id})
