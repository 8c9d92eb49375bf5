"""Making, listing, revoking and exchanging API keys."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from fastapi.security import APIKeyHeader

from telltale_auth.dependencies import Caller, Keys, Signer, never_stored
from telltale_auth.keys.schemas import ApiKey, CreatedApiKey, NewApiKey
from telltale_auth.keys.service import token_session
from telltale_auth.sessions.schemas import AccessToken
from telltale_auth.tokens import ACCESS_SECONDS, Holder
from telltale_shared.errors import Unauthenticated
from telltale_shared.lists import Page
from telltale_shared.security import KEY_LENGTH, KEY_PREFIX, Person

router = APIRouter(prefix="/api/v1/auth/api-keys", tags=["API keys"], dependencies=[Depends(never_stored)])

KeyId = Annotated[int, Path(ge=1, lt=2**63, description="`id` of the key.")]

_key_header = APIKeyHeader(
    name="Authorization", scheme_name="ApiKey", description=f"`Bearer {KEY_PREFIX}…`", auto_error=False
)


async def _secret(header: Annotated[str | None, Depends(_key_header)]) -> str:
    scheme, _, secret = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.startswith(KEY_PREFIX) or len(secret) != KEY_LENGTH:
        raise Unauthenticated(f"send an API key: Authorization: Bearer {KEY_PREFIX}…")
    return secret


@router.get("", summary="My API keys, newest first")
async def list_keys(me: Person, keys: Keys) -> Page[ApiKey]:
    items = [ApiKey.model_validate(key) for key in await keys.of(int(me.user_id))]
    return Page(items=items, next_cursor=None, total=len(items))


@router.post("", status_code=201, summary="A new API key; its secret is shown this once")
async def create_key(body: NewApiKey, me: Person, keys: Keys, origin: Caller) -> CreatedApiKey:
    key, secret = await keys.create(int(me.user_id), body, origin)
    return CreatedApiKey(**ApiKey.model_validate(key).model_dump(), key=secret)


@router.delete("/{id}", status_code=204, summary="Revoke an API key of mine, everywhere and at once")
async def revoke_key(id: KeyId, me: Person, keys: Keys, origin: Caller) -> Response:  # noqa: A002 - as in the path
    await keys.revoke(int(me.user_id), id, origin)
    return Response(status_code=204)


@router.post("/token", summary="An access token of an API key; services ask for it when they are shown a key")
async def exchange_key(secret: Annotated[str, Depends(_secret)], keys: Keys, signer: Signer) -> AccessToken:
    key, owner = await keys.exchange(secret)
    holder = Holder(owner.id, owner.name, owner.role, owner.token_version, token_session(key.id))
    return AccessToken(access_token=signer.key_token(holder, key.scopes), expires_in=ACCESS_SECONDS)
