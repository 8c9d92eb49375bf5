"""What the endpoints are given: the database, the monitor, and who asks."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_alerts.monitor import Monitor
from telltale_alerts.settings import Settings
from telltale_shared.errors import request_id_of
from telltale_shared.security import Principal


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, and with which request."""

    id: str
    name: str
    request_id: str


def actor_of(principal: Principal, request: Request) -> Actor:
    """The principal of a request that changes something."""
    return Actor(principal.user_id, (principal.name or f"user {principal.user_id}")[:100], request_id_of(request))


def _engine(request: Request) -> AsyncEngine:
    engine: AsyncEngine = request.app.state.engine
    return engine


def _monitor(request: Request) -> Monitor:
    monitor: Monitor = request.app.state.monitor
    return monitor


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


Database = Annotated[AsyncEngine, Depends(_engine)]
TheMonitor = Annotated[Monitor, Depends(_monitor)]
TheSettings = Annotated[Settings, Depends(_settings)]
Id = Annotated[int, Path(ge=1, lt=2**63)]
