"""What an API key looks like from outside."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from telltale_auth.accounts.schemas import Name
from telltale_shared.lists import Instant
from telltale_shared.security import Scope

MAX_DAYS = 366


def _sorted(scopes: list[Scope]) -> list[Scope]:
    return sorted(set(scopes))


class NewApiKey(BaseModel):
    """What a key is wanted for."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Name, Field(min_length=1)]
    """What its owner tells it apart by."""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20), AfterValidator(_sorted)]
    expires_in_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = 90


class ApiKey(BaseModel):
    """A key, without its secret."""

    model_config = ConfigDict(from_attributes=True, coerce_numbers_to_str=True)

    id: str
    name: str
    hint: str
    """How the key begins."""
    scopes: list[Scope]
    created_at: Instant
    expires_at: Instant
    last_used_at: Instant | None


class CreatedApiKey(ApiKey):
    """A key with its secret, which is shown this once."""

    key: str
