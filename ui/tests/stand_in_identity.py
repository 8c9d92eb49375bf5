"""The stand-in's accounts: the demo accounts and who registers, their sessions and their API keys."""

import secrets
from collections.abc import Callable
from typing import Any

import stand_in_replies as replies
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PASSWORD = "Password123!"
DAY_US = 86_400_000_000
Reply = Callable[..., JSONResponse]


class Identity:
    """All state, and the endpoints as methods."""

    def __init__(self, problem: Reply, listing: Reply) -> None:
        self._problem, self._listing = problem, listing
        self.users: dict[str, dict[str, Any]] = {
            f"{name}@example.com": {
                "id": str(number),
                "email": f"{name}@example.com",
                "name": f"Demo {name}",
                "role": name.upper(),
                "is_active": True,
                "created_at": "2026-11-01T08:00:00Z",
                "last_login_at": replies.iso(replies.now_us()),
            }
            for number, name in enumerate(["admin", "user", "viewer"], start=1)
        }
        self.passwords = dict.fromkeys(self.users, PASSWORD)
        self.sessions: dict[str, str] = {}
        at = replies.iso(replies.now_us())
        known = {"created_at": at, "last_used_at": at, "expires_at": at, "address": "192.0.2.7"}
        self.open_sessions: list[dict[str, Any]] = [
            {**known, "id": "s1", "kind": "browser", "client": "Mozilla/5.0", "current": True},
            {**known, "id": "t2", "kind": "client", "client": "curl/8", "current": False},
        ]
        self.api_keys: list[dict[str, Any]] = []
        self.changes = 0
        """Of accounts: gateways end the sockets of whoever is concerned."""

    def user_of(self, request: Request) -> dict[str, Any] | None:
        """Whose session or token came with the request."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        email = self.sessions.get(value) if scheme == "Session" else value.removeprefix("access-")
        return self.users.get(email or "")

    async def sign_in(self, request: Request) -> Response:
        body = await request.json()
        if self.passwords.get(body["email"]) != body["password"]:
            return self._problem(401, "Not authenticated", "E-mail address or password is wrong.")
        session_id = secrets.token_urlsafe(24)
        self.sessions[session_id] = body["email"]
        return JSONResponse({"session_id": session_id, "user": self.users[body["email"]]}, 201)

    async def registration(self, _: Request) -> Response:
        return JSONResponse({"is_open": True})

    async def register(self, request: Request) -> Response:
        body = await request.json()
        if body["email"] in self.users:
            return JSONResponse({"email": body["email"], "detail": "Sign in."}, 202)
        self.users[body["email"]] = {
            **self.users["viewer@example.com"],
            "id": str(len(self.users) + 1),
            "email": body["email"],
            "name": body["name"],
        }
        self.passwords[body["email"]] = body["password"]
        return JSONResponse({"email": body["email"], "detail": "Sign in."}, 202)

    async def nothing(self, request: Request) -> Response:
        return Response(status_code=204)

    async def list_sessions(self, request: Request) -> Response:
        return JSONResponse({"items": self.open_sessions, "next_cursor": None, "total": len(self.open_sessions)})

    async def end_one(self, request: Request) -> Response:
        self.open_sessions = [one for one in self.open_sessions if one["id"] != request.path_params["id"]]
        return Response(status_code=204)

    async def change_password(self, request: Request) -> Response:
        body = await request.json()
        user = self.user_of(request)
        assert user is not None
        if self.passwords[user["email"]] != body["current_password"]:
            wrong = {"field": "current_password", "message": "this is not the password"}
            return JSONResponse({"title": "Invalid request", "status": 422, "errors": [wrong]}, 422)
        return Response(status_code=204)

    async def list_keys(self, request: Request) -> Response:
        return JSONResponse({"items": self.api_keys, "next_cursor": None, "total": len(self.api_keys)})

    async def create_key(self, request: Request) -> Response:
        body = await request.json()
        key = "tt_" + secrets.token_urlsafe(32)
        at = replies.iso(replies.now_us())
        row = {"id": str(len(self.api_keys) + 1), "name": body["name"], "hint": key[:8], "scopes": body["scopes"]}
        self.api_keys.append({**row, "created_at": at, "expires_at": at, "last_used_at": None})
        return JSONResponse({**self.api_keys[-1], "key": key}, 201)

    async def revoke_key(self, request: Request) -> Response:
        self.api_keys = [one for one in self.api_keys if one["id"] != request.path_params["id"]]
        return Response(status_code=204)

    async def sign_out(self, request: Request) -> Response:
        self.sessions.pop(request.headers["authorization"].removeprefix("Session "), None)
        return Response(status_code=204)

    async def access_token(self, request: Request) -> Response:
        user = self.user_of(request)
        if user is None:
            return self._problem(401, "Not authenticated", "This session has ended.")
        return JSONResponse(
            {
                "access_token": f"access-{user['email']}",
                "expires_in": 300,
                "user": user,
                "session_expires_at": replies.iso(replies.now_us() + DAY_US),
            }
        )

    async def stream_token(self, request: Request) -> Response:
        return JSONResponse({"token": "stream-" + secrets.token_hex(4), "expires_in": 30})

    async def me(self, request: Request) -> Response:
        user = self.user_of(request)
        return JSONResponse(user) if user else self._problem(401, "Not authenticated", "This session has ended.")

    async def list_users(self, request: Request) -> Response:
        return self._listing(list(self.users.values()))

    async def change_user(self, request: Request) -> Response:
        user = next(one for one in self.users.values() if one["id"] == request.path_params["id"])
        change = await request.json()
        if user["role"] == "ADMIN" and (change.get("role") not in (None, "ADMIN") or change.get("is_active") is False):
            return self._problem(409, "Conflict", "This is the last administrator; appoint another one first.")
        user.update(change)
        self.changes += 1
        return JSONResponse(user)

    def routes(self, api: str) -> list[Route]:
        """What is answered below ``api``."""
        return [
            Route(f"{api}/auth/sessions", self.sign_in, methods=["POST"]),
            Route(f"{api}/auth/sessions/token", self.access_token, methods=["POST"]),
            Route(f"{api}/auth/sessions/current", self.sign_out, methods=["DELETE"]),
            Route(f"{api}/auth/sessions", self.list_sessions),
            Route(f"{api}/auth/sessions", self.nothing, methods=["DELETE"]),
            Route(f"{api}/auth/sessions/{{id}}", self.end_one, methods=["DELETE"]),
            Route(f"{api}/auth/password", self.change_password, methods=["POST"]),
            Route(f"{api}/auth/api-keys", self.list_keys),
            Route(f"{api}/auth/api-keys", self.create_key, methods=["POST"]),
            Route(f"{api}/auth/api-keys/{{id}}", self.revoke_key, methods=["DELETE"]),
            Route(f"{api}/users/{{id}}/sessions", self.list_sessions),
            Route(f"{api}/users/{{id}}/sessions", self.nothing, methods=["DELETE"]),
            Route(f"{api}/auth/register", self.register, methods=["POST"]),
            Route(f"{api}/auth/registration", self.registration),
            Route(f"{api}/auth/stream-token", self.stream_token, methods=["POST"]),
            Route(f"{api}/auth/me", self.me),
            Route(f"{api}/users", self.list_users),
            Route(f"{api}/users/{{id}}", self.change_user, methods=["PATCH"]),
        ]
