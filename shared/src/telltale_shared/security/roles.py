"""Who somebody is and what they may do: roles of accounts, scopes of API keys."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What an account may do; each role includes the ones before it."""

    VIEWER = "VIEWER"
    USER = "USER"
    ADMIN = "ADMIN"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do whatever ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Scope(StrEnum):
    """What an API key may be used for, as far as its owner's role allows it too."""

    READ = "read"
    """Whatever a VIEWER may look at."""
    READINGS_WRITE = "readings:write"
    """Posting readings; its owner must be USER or ADMIN."""


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
    session_id: str = ""
    """The session, family of refresh tokens or API key that the token was issued to."""
    scopes: frozenset[Scope] | None = None
    """What the API key is good for; None for a person, who may do all that the role allows."""
