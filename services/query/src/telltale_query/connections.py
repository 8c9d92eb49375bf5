"""How endpoints reach the database: a connection to read with, or the engine to run a whole change with."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


def _engine(request: Request) -> AsyncEngine:
    engine: AsyncEngine = request.app.state.engine
    return engine


Engine = Annotated[AsyncEngine, Depends(_engine)]
"""Parameter type of an endpoint that changes something: give it to ``in_transaction``, which retries and commits."""


async def _reading(engine: Engine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        yield connection


Reading = Annotated[AsyncConnection, Depends(_reading)]
"""Parameter type of an endpoint that only reads."""
