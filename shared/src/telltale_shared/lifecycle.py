"""How a service is put together and run: one FastAPI app, its background tasks, one process."""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from telltale_shared.errors import install_problem_details
from telltale_shared.health import Health, health_router
from telltale_shared.logs import configure_logs
from telltale_shared.security import describe_foreign_tokens
from telltale_shared.security_headers import SecurityHeaders
from telltale_shared.settings import ServiceSettings, VerifierSettings

log = structlog.get_logger("telltale.lifecycle")

EXIT_CANNOT_START = 3
EXIT_NOT_STOPPED = 4
EXIT_TASK_FAILED = 5
GRACE_SECONDS = 4
"""How long open requests may take to end after SIGTERM."""
DRAIN_SECONDS = 3.0
"""How long background tasks may take to end in order; then what they are doing is interrupted."""
STOP_SECONDS = 9.5
"""After which a stopping process ends without further ado. Whatever it held is safe: it may be killed at any time."""

_task_failed = threading.Event()
"""Set when the process stops because one of its background tasks has failed."""


def service_app(
    name: str, *, version: str, settings: ServiceSettings, health: Health, lifespan: Callable[[FastAPI], Any]
) -> FastAPI:
    """A FastAPI app with what all services have: problem details, request ids, CORS, headers, health and metrics."""
    app = FastAPI(
        title=f"Telltale {name}",
        version=version,
        lifespan=lifespan,
        openapi_url="/openapi.json" if settings.api_docs else None,
    )
    app.add_middleware(SecurityHeaders, https_only=settings.is_production)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-Match", "If-None-Match"],
        expose_headers=["ETag", "X-Request-ID"],
    )
    install_problem_details(app)
    if isinstance(settings, VerifierSettings):
        describe_foreign_tokens(app)
    app.include_router(health_router(health, metrics=settings.metrics))
    return app


@asynccontextmanager
async def background(tasks: Mapping[str, Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    """Run ``tasks`` beside the block and cancel them at its end.

    A task may bring to its end what it has begun, as a transaction, for DRAIN_SECONDS; then it is cancelled once more,
    since what it waits for may never come. A task that fails takes the process down with SIGTERM, after logging why: a
    half-working service would lie.
    """
    running = [asyncio.create_task(_watched(name, task), name=name) for name, task in tasks.items()]
    try:
        yield
    finally:
        await _end(running)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    late: Collection[asyncio.Task[None]] = tasks
    while late:
        for task in late:
            task.cancel()
        _, late = await asyncio.wait(late, timeout=DRAIN_SECONDS)
        if late:
            log.warning("background tasks are interrupted", tasks=sorted(task.get_name() for task in late))


async def _watched(name: str, task: Callable[[], Awaitable[None]]) -> None:
    try:
        await task()
    except asyncio.CancelledError:
        raise
    except Exception:
        log.critical("background task failed: the service stops", task=name, exc_info=True)
        _task_failed.set()
        os.kill(os.getpid(), signal.SIGTERM)


def serve(name: str, app: FastAPI, settings: ServiceSettings, port: int, **options: Any) -> None:
    """Configure the logs and serve ``app`` until SIGTERM or SIGINT; exits 3 when it cannot start, 5 when a task failed.

    ``options`` are further ones of :class:`uvicorn.Config`.
    """
    configure_logs(name, settings.log_level)
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.bind_host,
            port=port,
            loop="uvloop",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            server_header=False,
            # A client could otherwise choose its own address, which throttling and the audit go by.
            proxy_headers=False,
            ws_max_size=65_536,
            **options,
        )
    )
    # What has been made so far stays: collections need not look at it again and again.
    gc.freeze()
    server.run()
    if not server.started:
        sys.exit(EXIT_CANNOT_START)
    if _task_failed.is_set():
        sys.exit(EXIT_TASK_FAILED)


class _Server(uvicorn.Server):
    """Obeys SIGTERM and SIGINT also while the app is still starting, e.g. waiting for its database; and in time."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if _task_failed.is_set():
            # uvicorn would end with the signal, which the first process of a container ignores: that would exit with 0.
            self.should_exit = True
        else:
            super().handle_exit(sig, frame)
        if not self.started:
            raise SystemExit(128 + sig)
        last_resort = threading.Timer(STOP_SECONDS, _give_up)
        last_resort.daemon = True
        last_resort.start()


def _give_up() -> None:
    log.critical("not stopped in order in time: the process ends as it is", seconds=STOP_SECONDS)
    os._exit(EXIT_NOT_STOPPED)
