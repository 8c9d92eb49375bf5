"""Verifying tokens where they are issued: with our own key, and against the account as it is right now."""

from typing import Any

import jwt
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_auth.accounts import repository
from telltale_auth.sessions.repository import is_live
from telltale_auth.tokens import TokenSigner
from telltale_shared.security import InvalidToken, Principal, TokenVerifier


class AccountVerifier(TokenVerifier):
    """Other services trust a token for its five minutes; auth, which decides who is who, looks at the account too."""

    def __init__(self, signer: TokenSigner, engine: AsyncEngine) -> None:
        super().__init__("")
        self._signer = signer
        self._engine = engine

    async def verify(self, token: str, *, kind: str = "access") -> Principal:
        """The principal of ``token``, if its account is active and has not changed since."""
        principal = await super().verify(token, kind=kind)
        if not principal.user_id.isdecimal():
            raise InvalidToken("its subject is no account")
        async with self._engine.connect() as connection:
            account = await repository.by_id(connection, int(principal.user_id))
            ended = not await is_live(connection, principal.session_id)
        if account is None or not account.is_active or account.token_version != principal.token_version:
            raise InvalidToken("the account has changed since this token was issued")
        if ended:
            raise InvalidToken("the session of this token has ended")
        return principal

    async def authenticate(self, credential: str) -> Principal:
        """As :meth:`verify`: an account is its owner's business, not a machine's, so no API key is taken."""
        return await self.verify(credential)

    async def _fetch(self) -> dict[str, Any]:
        keys = jwt.PyJWKSet.from_dict(dict(self._signer.public_keys)).keys
        return {str(key.key_id): key.key for key in keys}
