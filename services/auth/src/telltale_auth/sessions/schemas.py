"""What is sent and answered when somebody signs in."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from telltale_auth.accounts.schemas import EMAIL_LENGTH, User
from telltale_auth.passwords import MAX_LENGTH
from telltale_shared.lists import Instant

Secret = Annotated[str, Field(max_length=200)]


class Credentials(BaseModel):
    """What somebody signs in with. Anything may be tried; what cannot be right is answered like what is wrong."""

    email: Annotated[str, Field(max_length=EMAIL_LENGTH)]
    password: Annotated[SecretStr, Field(max_length=MAX_LENGTH)]


class RefreshRequest(BaseModel):
    """A refresh token, to be exchanged or to be ended."""

    refresh_token: Secret


class AccessToken(BaseModel):
    """A token for the REST interfaces."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the kind of token, not a token
    expires_in: int
    """Seconds."""


class TokenPair(AccessToken):
    """An access token and what to get the next one with."""

    refresh_token: str


class StreamToken(BaseModel):
    """A token that opens the live WebSocket."""

    token: str
    expires_in: int
    """Seconds."""


class NewSession(BaseModel):
    """A browser session: an id that stays the same until the session ends."""

    session_id: str
    user: User


class SessionToken(AccessToken):
    """An access token of a browser session, and whose it is."""

    user: User
    session_expires_at: Instant
    """When the session ends unless it is used again; at the latest seven days after it began."""


class OpenSession(BaseModel):
    """A browser that is signed in, or an API client with refresh tokens."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: Literal["browser", "client"]
    created_at: Instant
    last_used_at: Instant
    expires_at: Instant
    address: str
    client: str
    """What the program calls itself."""
    current: bool = False
    """Whether it is the one that asks."""
