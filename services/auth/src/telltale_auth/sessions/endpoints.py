"""Signing in and out, and getting access tokens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import APIKeyHeader, OAuth2PasswordRequestForm

from telltale_auth.accounts.schemas import User
from telltale_auth.dependencies import Sessions, Signer, Visitor, never_stored
from telltale_auth.passwords import MAX_LENGTH
from telltale_auth.sessions.schemas import (
    Credentials,
    NewSession,
    RefreshRequest,
    SessionToken,
    StreamToken,
    TokenPair,
)
from telltale_auth.sessions.service import SignedIn
from telltale_auth.tokens import ACCESS_SECONDS, STREAM_SECONDS, Holder, TokenSigner
from telltale_shared.errors import Unauthenticated
from telltale_shared.security import Person

_LONGEST_SESSION_ID = 200


router = APIRouter(prefix="/api/v1/auth", tags=["sign in"], dependencies=[Depends(never_stored)])
jwks_router = APIRouter(tags=["keys"])

_session_header = APIKeyHeader(
    name="Authorization", scheme_name="Session", description="`Session <session_id>`", auto_error=False
)


async def _session_id(header: Annotated[str | None, Depends(_session_header)]) -> str:
    scheme, _, session_id = (header or "").partition(" ")
    if scheme.lower() != "session" or not session_id or len(session_id) > _LONGEST_SESSION_ID:
        raise Unauthenticated("send a session id: Authorization: Session …")
    return session_id


async def _client(request: Request) -> str:
    name = request.headers.get("user-agent", "")
    return "".join(letter for letter in name if letter.isprintable())[:200]


Client = Annotated[str, Depends(_client)]
"""What the program that signs in calls itself; shown to the account's owner, and believed by nobody."""
SessionId = Annotated[str, Depends(_session_id)]


def _access_token(signer: TokenSigner, signed_in: SignedIn) -> str:
    account = signed_in.account
    holder = Holder(account.id, account.name, account.role, account.token_version, signed_in.session_id)
    return signer.access_token(holder)


@router.post("/token", summary="Sign in: an access token and a refresh token")
async def issue_tokens(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    sessions: Sessions,
    signer: Signer,
    origin: Visitor,
    client: Client,
) -> TokenPair:
    # No rule says how long a form's field is; what is longer than any password is wrong without being hashed.
    if len(form.password) > MAX_LENGTH:
        raise Unauthenticated("e-mail address or password is wrong")
    signed_in = await sessions.start_family(form.username, form.password, origin, client=client)
    return TokenPair(
        access_token=_access_token(signer, signed_in),
        expires_in=ACCESS_SECONDS,
        refresh_token=signed_in.secret,
    )


@router.post("/refresh", summary="The next access token and refresh token")
async def refresh_tokens(body: RefreshRequest, sessions: Sessions, signer: Signer, origin: Visitor) -> TokenPair:
    signed_in = await sessions.refresh(body.refresh_token, origin)
    return TokenPair(
        access_token=_access_token(signer, signed_in),
        expires_in=ACCESS_SECONDS,
        refresh_token=signed_in.secret,
    )


@router.post("/logout", status_code=204, summary="End a refresh token and all that came from the same sign-in")
async def end_tokens(body: RefreshRequest, sessions: Sessions, origin: Visitor) -> None:
    await sessions.end_family(body.refresh_token, origin)


@router.post("/stream-token", summary="A token for the live WebSocket, good for half a minute")
async def issue_stream_token(me: Person, signer: Signer) -> StreamToken:
    token = signer.stream_token(Holder(int(me.user_id), me.name, me.role, me.token_version, me.session_id))
    return StreamToken(token=token, expires_in=STREAM_SECONDS)


@router.post("/sessions", status_code=201, summary="Sign in a browser: a session id for its cookie")
async def start_session(body: Credentials, sessions: Sessions, origin: Visitor, client: Client) -> NewSession:
    password = body.password.get_secret_value()
    signed_in = await sessions.start_session(body.email, password, origin, client=client)
    return NewSession(session_id=signed_in.secret, user=User.model_validate(signed_in.account))


@router.post("/sessions/token", summary="An access token of a browser session")
async def issue_session_token(session_id: SessionId, sessions: Sessions, signer: Signer) -> SessionToken:
    signed_in = await sessions.resume_session(session_id)
    return SessionToken(
        access_token=_access_token(signer, signed_in),
        expires_in=ACCESS_SECONDS,
        user=User.model_validate(signed_in.account),
        session_expires_at=signed_in.expires_at,
    )


@router.delete("/sessions/current", status_code=204, summary="Sign out a browser")
async def end_session(session_id: SessionId, sessions: Sessions, origin: Visitor) -> None:
    await sessions.end_session(session_id, origin)


@jwks_router.get("/.well-known/jwks.json", summary="The public keys that access tokens are verified with")
async def public_keys(signer: Signer, response: Response) -> dict[str, list[dict[str, str]]]:
    response.headers["Cache-Control"] = "public, max-age=300"
    return signer.public_keys
