"""Statements whose text is used once: sent as they are, so that they do not push prepared ones out of the cache."""

from typing import Any

from sqlalchemy import CursorResult, Select
from sqlalchemy.ext.asyncio import AsyncConnection


async def execute_unprepared(connection: AsyncConnection, statement: Select[Any]) -> CursorResult[Any]:
    """The rows of ``statement``, with its values written into its text."""
    compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    return await connection.exec_driver_sql(str(compiled), execution_options={"no_parameters": True})
