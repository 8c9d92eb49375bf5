"""One's own sessions, and ending those of another account."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from telltale_auth.dependencies import Caller, TheirSessions
from telltale_auth.lists import UserId
from telltale_auth.sessions.schemas import OpenSession
from telltale_shared.lists import Page
from telltale_shared.security import Admin, Person

router = APIRouter(prefix="/api/v1")

AnySession = Annotated[str, Path(pattern="^[st][1-9][0-9]{0,17}$", description="`id` of the session.")]


@router.get("/auth/sessions", tags=["own account"], summary="Where I am signed in, last used first")
async def list_sessions(me: Person, sessions: TheirSessions) -> Page[OpenSession]:
    items = [OpenSession.model_validate(one) for one in await sessions.of(int(me.user_id))]
    for one in items:
        one.current = one.id == me.session_id
    return Page(items=items, next_cursor=None, total=len(items))


@router.delete("/auth/sessions/{id}", status_code=204, tags=["own account"], summary="Sign out one session of mine")
async def end_one(id: AnySession, me: Person, sessions: TheirSessions, origin: Caller) -> Response:  # noqa: A002 - as in the path
    await sessions.end(int(me.user_id), id, origin)
    return Response(status_code=204)


@router.delete("/auth/sessions", status_code=204, tags=["own account"], summary="Sign out everywhere, here too")
async def end_mine(me: Person, sessions: TheirSessions, origin: Caller) -> Response:
    await sessions.end_all(int(me.user_id), origin)
    return Response(status_code=204)


@router.get("/users/{id}/sessions", tags=["users"], summary="Where an account is signed in, last used first")
async def list_theirs(id: UserId, _: Admin, sessions: TheirSessions) -> Page[OpenSession]:  # noqa: A002 - as in the path
    items = [OpenSession.model_validate(one) for one in await sessions.of(id)]
    return Page(items=items, next_cursor=None, total=len(items))


@router.delete("/users/{id}/sessions", status_code=204, tags=["users"], summary="Sign an account out everywhere")
async def end_theirs(id: UserId, _: Admin, sessions: TheirSessions, origin: Caller) -> Response:  # noqa: A002 - as in the path
    await sessions.end_all(id, origin)
    return Response(status_code=204)
