"""How endpoints reach the database: a connection to read with, or the engine to run a whole change with."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.database import is_transient

Result = TypeVar("Result")


def _engine(request: Request) -> AsyncEngine:
    engine: AsyncEngine = request.app.state.engine
    return engine


Engine = Annotated[AsyncEngine, Depends(_engine)]
"""Parameter type of an endpoint that changes something: give it to ``in_transaction``, which retries and commits."""


async def _reading(engine: Engine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        yield connection


# Given back before the answer is sent: whoever takes that slowly must not hold a connection.
Reading = Annotated[AsyncConnection, Depends(_reading, scope="function")]
"""Parameter type of an endpoint that only reads."""


async def on_snapshot(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """Run ``work``, which only reads, so that all of its statements see one state of the database.

    After a transient error it runs once more.
    """
    attempts = 2
    while True:
        attempts -= 1
        try:
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ")
                return await work(connection)
        except Exception as error:
            if not attempts or not is_transient(error):
                raise
