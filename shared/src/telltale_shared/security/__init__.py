"""Who is asking and what they may do: access tokens verified locally, roles as typed dependencies."""

from telltale_shared.security.api_keys import KEY_LENGTH, KEY_PREFIX
from telltale_shared.security.dependencies import (
    Admin,
    Ingest,
    Person,
    RequireRole,
    User,
    Viewer,
    authenticated,
    describe_foreign_tokens,
)
from telltale_shared.security.revocations import Revocations
from telltale_shared.security.roles import Principal, Role, Scope
from telltale_shared.security.tokens import (
    ALGORITHM,
    AUDIENCE,
    ISSUER,
    LEEWAY_SECONDS,
    REQUIRED_CLAIMS,
    InvalidToken,
    KeysUnavailable,
    TokenVerifier,
)

__all__ = [
    "ALGORITHM",
    "AUDIENCE",
    "ISSUER",
    "KEY_LENGTH",
    "KEY_PREFIX",
    "LEEWAY_SECONDS",
    "REQUIRED_CLAIMS",
    "Admin",
    "Ingest",
    "InvalidToken",
    "KeysUnavailable",
    "Person",
    "Principal",
    "RequireRole",
    "Revocations",
    "Role",
    "Scope",
    "TokenVerifier",
    "User",
    "Viewer",
    "authenticated",
    "describe_foreign_tokens",
]
