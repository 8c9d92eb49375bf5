"""What is kept of imports, and for how long. The imports themselves stay: they say where records came from.

- Chunks: until the rows are stored, or nobody wants them any more.
- Errors: as long as the job, for a person to look at.
- The series and what was replaced: as long as there may be records to find and to take back, but of an import that has
  left none only as long as its job.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.imports.staging import forget_staging
from telltale_shared.database import in_transaction

_GIVE_UP = text("""
UPDATE imports SET state = 'cancelled', finished_at = UTC_TIMESTAMP(6)
WHERE state = 'checked' AND created_at < UTC_TIMESTAMP(6) - INTERVAL :hours HOUR
""")
_WITH_CHUNKS = text("""
SELECT DISTINCT import_chunks.import_id FROM import_chunks JOIN imports ON imports.id = import_chunks.import_id
WHERE imports.state NOT IN ('checking', 'checked', 'applying') LIMIT 100
""")
_WITH_ERRORS = text("""
SELECT id FROM imports WHERE finished_at < UTC_TIMESTAMP(6) - INTERVAL :days DAY
  AND state NOT IN ('checking', 'checked', 'applying', 'undoing')
  AND EXISTS (SELECT 1 FROM import_errors WHERE import_id = imports.id) LIMIT 100
""")
# A record is never much newer than its import, so that retention has dropped it a day after its import is as old.
_WITHOUT_RECORDS = text("""
SELECT id FROM imports WHERE (finished_at < UTC_TIMESTAMP(6) - INTERVAL :retention_days + 2 DAY
    OR finished_at < UTC_TIMESTAMP(6) - INTERVAL :days DAY AND rows_left = 0 AND (
      state IN ('rejected', 'cancelled') OR state = 'undone' AND undone_at < UTC_TIMESTAMP(6) - INTERVAL :days DAY))
  AND state NOT IN ('checking', 'checked', 'applying', 'undoing')
  AND (EXISTS (SELECT 1 FROM import_series WHERE import_id = imports.id)
    OR EXISTS (SELECT 1 FROM import_replacements WHERE import_id = imports.id)) LIMIT 100
""")


async def forget_outdated(engine: AsyncEngine, *, hours: int, days: int, retention_days: int) -> None:
    """Forget what nobody needs any more.

    Args:
        engine: of the database.
        hours: after which a file that was checked is not applied any more.
        days: that errors are kept.
        retention_days: that records are kept.
    """

    async def give_up(connection: AsyncConnection) -> None:
        await connection.execute(_GIVE_UP, {"hours": hours})

    await in_transaction(engine, give_up)
    for outdated, tables in (
        (_WITH_CHUNKS, ("import_chunks",)),
        (_WITH_ERRORS.bindparams(days=days), ("import_errors",)),
        (
            _WITHOUT_RECORDS.bindparams(days=days, retention_days=retention_days),
            ("import_series", "import_replacements"),
        ),
    ):
        async with engine.connect() as connection:
            found = list((await connection.execute(outdated)).scalars())
        for import_id in found:
            await forget_staging(engine, import_id, *tables)
