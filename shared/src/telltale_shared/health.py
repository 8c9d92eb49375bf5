"""Health and metrics, the same on every service."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

CHECK_TIMEOUT = 2.0

Check = Callable[[], Awaitable[str | None] | str | None]
"""Says what is wrong with a dependency, or None. May be a plain function or a coroutine function."""


class Readiness(BaseModel):
    """Whether a service can do its work, with a line for each dependency."""

    status: str
    dependencies: dict[str, str]


class Health:
    """The dependencies of one service and how to ask each of them."""

    def __init__(self, checks: Mapping[str, Check] | None = None) -> None:
        self._checks = dict(checks or {})
        self._dispensable: set[str] = set()

    def add(self, name: str, check: Check, *, needed: bool = True) -> None:
        """Ask ``check`` about the dependency ``name`` from now on.

        One that is not ``needed`` has its line, but the service is ready without it.
        """
        self._checks[name] = check
        if not needed:
            self._dispensable.add(name)

    async def readiness(self) -> Readiness:
        """Ask every dependency at once; one that does not answer within 2 s counts as failed."""
        lines = await asyncio.gather(*(_ask(check) for check in self._checks.values()))
        dependencies = dict(zip(self._checks, lines, strict=True))
        healthy = all(line == "ok" for name, line in dependencies.items() if name not in self._dispensable)
        return Readiness(status="ok" if healthy else "degraded", dependencies=dependencies)


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            answer = check()
            problem = await answer if isinstance(answer, Awaitable) else answer
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT:g} s"
    except Exception as error:  # noqa: BLE001 - whatever a dependency raises is its health line
        return f"{type(error).__name__}: {error}"
    return problem or "ok"


def health_router(health: Health, *, metrics: bool = True) -> APIRouter:
    """``/health/live``, ``/health/ready`` and, unless it is not wanted, ``/metrics``."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live", summary="Is the process alive?")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/health/ready", summary="Can the service do its work?", responses={503: {"model": Readiness}})
    async def ready(response: Response) -> Readiness:
        readiness = await health.readiness()
        if readiness.status != "ok":
            response.status_code = 503
        return readiness

    if metrics:

        @router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
        async def read_metrics() -> Response:
            return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
