"""Trying the table of who may call what on a service: that it names every route, and that every line of it is true."""

import re
from collections.abc import Awaitable, Callable, Iterator

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from telltale_shared.errors import PROBLEM_JSON
from telltale_shared.security import Principal, Role, Scope
from telltale_shared.security.access import ACCESS, COMMON, Access

TABLE = "shared/src/telltale_shared/security/access.py"

Bearer = Callable[[Role], Awaitable[str]]
"""Gives a new access token of someone with this role."""


def routes_of(app: FastAPI) -> Iterator[str]:
    """Every route of ``app``, described or not, as the table writes it."""
    for route in iter_route_contexts(app.routes):
        for method in route.methods or {"WEBSOCKET"}:
            if method != "HEAD":  # answered by whatever answers GET
                yield f"{method} {route.path}"


def check_table(service: str, app: FastAPI) -> None:
    """Compare the table's lines for ``service`` with the routes of ``app``.

    Raises:
        AssertionError: a route has no line, or a line no route; says what to write.
    """
    known, found = COMMON | ACCESS[service], set(routes_of(app))
    lacking = "".join(f'\n    "{route}": VIEWER,  # or USER, ADMIN …' for route in sorted(found - known.keys()))
    assert not lacking, f'say who may call these, in ACCESS["{service}"] of {TABLE}:{lacking}'
    stale = "".join(f'\n    "{route}"' for route in sorted(known.keys() - found))
    assert not stale, f'{service} has no such routes any more; take them out of ACCESS["{service}"] in {TABLE}:{stale}'


class _KeyHolder:
    """Stands in for an app's verifier: whoever asks has an API key of an administrator, with one scope."""

    def __init__(self, scope: Scope) -> None:
        self._principal = Principal("1", "key", Role.ADMIN, "j", 1, 2**40, "k1", frozenset({scope}))

    async def authenticate(self, _: str) -> Principal:
        return self._principal


async def check_roles(service: str, app: FastAPI, http: httpx.AsyncClient, bearer: Bearer) -> None:
    """Call every route of ``service`` as nobody, in each role and with keys; compare who is let in with the table.

    Raises:
        AssertionError: somebody was let in who may not come in, or the other way round.
    """
    for route, access in ACCESS[service].items():
        method, path = route.split()
        if method == "WEBSOCKET":
            continue
        path = re.sub(r"\{[^}]*\}", "1", path)
        await _check_stranger(route, access, await http.request(method, path, json={}))
        for role in Role if access.role or access.secret else ():
            headers = {"Authorization": f"Bearer {await bearer(role)}"}
            response = await http.request(method, path, json={}, headers=headers)
            if access.secret:
                expected = "401"
            elif access.role is not None and role.includes(access.role):
                expected = "an answer"
            else:
                expected = "403"
            got = str(response.status_code) if response.status_code in (401, 403) else "an answer"
            assert got == expected, (
                f"{route} as {role}: {expected} expected, {response.status_code} {response.text[:200]}"
            )

    verifier = app.state.verifier
    try:
        for scope in Scope:
            app.state.verifier = _KeyHolder(scope)
            await _check_key(service, http, scope)
    finally:
        app.state.verifier = verifier


async def _check_key(service: str, http: httpx.AsyncClient, scope: Scope) -> None:
    for route, access in ACCESS[service].items():
        method, path = route.split()
        if access.role is None or method == "WEBSOCKET":
            continue
        path = re.sub(r"\{[^}]*\}", "1", path)
        response = await http.request(method, path, json={}, headers={"Authorization": "Bearer x"})
        assert (response.status_code == 403) is (access.scope is not scope), (
            f"{route} with an API key for {scope}: {response.status_code} {response.text[:200]}"
        )


async def _check_stranger(route: str, access: Access, response: httpx.Response) -> None:
    if access.role is None and not access.secret:
        assert response.status_code not in (401, 403), (
            f"{route} is for anyone, but a stranger got {response.status_code}"
        )
        return
    assert response.status_code == 401, f"{route} let a stranger in: {response.status_code}"
    assert response.headers["content-type"] == PROBLEM_JSON, route
