"""What the endpoints are given: the services of this app, and where a request came from."""

from typing import Annotated

from fastapi import Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_auth.accounts.service import AccountService
from telltale_auth.audit.repository import Origin
from telltale_auth.keys.service import KeyService
from telltale_auth.sessions.own import OwnSessions
from telltale_auth.sessions.service import SessionService
from telltale_auth.settings import Settings
from telltale_auth.tokens import TokenSigner
from telltale_shared.errors import request_id_of
from telltale_shared.security import Person


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


TheSettings = Annotated[Settings, Depends(_settings)]


def _engine(request: Request) -> AsyncEngine:
    engine: AsyncEngine = request.app.state.engine
    return engine


def _accounts(request: Request) -> AccountService:
    accounts: AccountService = request.app.state.accounts
    return accounts


def _sessions(request: Request) -> SessionService:
    sessions: SessionService = request.app.state.sessions
    return sessions


def _own_sessions(request: Request) -> OwnSessions:
    own: OwnSessions = request.app.state.own_sessions
    return own


def _keys(request: Request) -> KeyService:
    keys: KeyService = request.app.state.keys
    return keys


def _signer(request: Request) -> TokenSigner:
    signer: TokenSigner = request.app.state.signer
    return signer


def visitor_of(request: Request) -> Origin:
    """Where a request came from."""
    settings = _settings(request)
    address = request.client.host if request.client else ""
    told = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    # Whom a trusted proxy names: the last one, since everything before it came with the request.
    if told and settings.is_trusted_proxy(address):
        address = told
    # The audit holds addresses, which are ASCII; a server or a proxy may have said anything.
    return Origin(address=address.encode("ascii", "replace").decode()[:64], request_id=request_id_of(request))


def _caller(me: Person, visitor: Annotated[Origin, Depends(visitor_of)]) -> Origin:
    return Origin(int(me.user_id), visitor.address, visitor.request_id)


async def never_stored(response: Response) -> None:
    """Answers that hold secrets stay out of every cache."""
    response.headers["Cache-Control"] = "no-store"


Database = Annotated[AsyncEngine, Depends(_engine)]
Accounts = Annotated[AccountService, Depends(_accounts)]
Sessions = Annotated[SessionService, Depends(_sessions)]
TheirSessions = Annotated[OwnSessions, Depends(_own_sessions)]
Keys = Annotated[KeyService, Depends(_keys)]
Signer = Annotated[TokenSigner, Depends(_signer)]
Visitor = Annotated[Origin, Depends(visitor_of)]
"""Where a request came from that need not be signed in."""
Caller = Annotated[Origin, Depends(_caller)]
"""Where a request came from, and who sent it."""
