"""The writer as it would be if it kept no rollups: what ingest.py compares the real one with."""

from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.store import rollups
from telltale_shared.store.records import Columns, Floats
from telltale_writer.__main__ import main


async def keep_none(connection: AsyncConnection, columns: Columns, origins: Floats) -> None:
    """In place of :func:`telltale_shared.store.rollups.add`."""


if __name__ == "__main__":
    rollups.add = keep_none
    main()
