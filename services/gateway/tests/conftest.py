"""A stand-in for auth's keys, and the gateway's socket served by a real uvicorn."""

import asyncio
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from starlette.types import ASGIApp

from telltale_gateway.protocol import StreamProtocol
from telltale_shared.security import ALGORITHM, AUDIENCE, ISSUER


class Auth:
    """Signs tokens, and publishes the key as auth does."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        public = json.loads(OKPAlgorithm.to_jwk(self._key.public_key()))
        jwks = json.dumps({"keys": [{**public, "kid": "test", "alg": ALGORITHM, "use": "sig"}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(jwks)))
                self.end_headers()
                self.wfile.write(jwks)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def token(self, user: str = "1", **claims: object) -> str:
        now = int(time.time())
        known: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "jti": secrets.token_hex(8),
            "typ": "stream",
            "role": "VIEWER",
            "ver": 1,
            "name": "Viewer",
            "iat": now,
            "exp": now + 30,
        }
        return jwt.encode({**known, **claims}, self._key, ALGORITHM, headers={"kid": "test"})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="session")
def auth() -> Iterator[Auth]:
    running = Auth()
    yield running
    running.close()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that the gateway is run with."""
    return "asyncio", {"use_uvloop": True}


Serving = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def serving() -> Serving:
    """Serve an ASGI app as the gateway is served; gives the WebSocket's address."""

    @asynccontextmanager
    async def serve(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            log_config=None,
            **{
                "ws": StreamProtocol,
                "ws_max_size": 65_536,
                "ws_per_message_deflate": False,
                "timeout_graceful_shutdown": 3,
                **options,
            },
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        try:
            while not server.started:
                if task.done():
                    await task
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield f"ws://127.0.0.1:{port}/api/v1/stream"
        finally:
            server.should_exit = True
            await task

    return serve
