"""What is decided about exports that are kept: how many a person may have, and what happens to them."""

from datetime import UTC, datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.exports.repository import count_exports, forget_export, read_export
from telltale_query.exports.schemas import KIND, Export, ExportQuery, ExportState
from telltale_query.exports.service import Exporter, file_name
from telltale_query.jobs.beginning import begin_once
from telltale_query.jobs.files import forget_file
from telltale_query.jobs.repository import create_job, request_cancel
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict, NotFound
from telltale_shared.store.audit import Actor, write_audit

UNFINISHED_AT_MOST = 3
KEPT_AT_MOST = 20
"""Files of one person, since each takes room in the database for a day."""


class KeptExports:
    """Files that are made while nobody waits, and kept for a while.

    Args:
        engine: of the database.
        exporter: knows what may be exported.
        file_hours: hours after which a file is deleted.
    """

    def __init__(self, engine: AsyncEngine, exporter: Exporter, *, file_hours: int) -> None:
        self._engine = engine
        self._exporter = exporter
        self.file_hours = file_hours

    async def begin(self, actor: Actor, query: ExportQuery) -> Export:
        """Have a file made.

        Raises:
            InvalidRequest: a bad range or sort, or more records than a file may hold.
            Conflict: this person has too many exports already.
        """
        await self._exporter.select(query, at_most=self._exporter.max_rows)
        asked = query.model_dump(mode="json", by_alias=True, exclude_unset=True)
        name = file_name(query, datetime.now(UTC))

        async def work(connection: AsyncConnection) -> int:
            waiting, kept = await count_exports(connection, owned_by=actor.id, file_hours=self.file_hours)
            if waiting >= UNFINISHED_AT_MOST:
                raise Conflict(f"{waiting} exports of yours are not done yet: wait for one, or delete it")
            if kept >= KEPT_AT_MOST:
                raise Conflict(f"{kept} exported files of yours are kept: delete one that you do not need any more")
            export_id = await create_job(connection, actor, KIND, {"query": asked, "file_name": name})
            facts = {field: _as_fact(value) for field, value in asked.items()}
            await write_audit(connection, actor, "records.export", f"export {export_id}", after=facts)
            return export_id

        return await self.get(await begin_once(self._engine, actor, KIND, work), owned_by=actor.id)

    async def get(self, export_id: int, *, owned_by: str | None) -> Export:
        """One export.

        Raises:
            NotFound: there is none (of ``owned_by``).
        """
        async with self._engine.connect() as connection:
            found = await read_export(connection, export_id, owned_by=owned_by, file_hours=self.file_hours)
        if found is None:
            raise NotFound("there is no such export: it may have been deleted")
        return found

    async def file(self, export_id: int, *, owned_by: str | None) -> Export:
        """One export whose file is there.

        Raises:
            NotFound: there is none, or its file has been deleted.
            Conflict: its file is not there yet, or never will be.
        """
        found = await self.get(export_id, owned_by=owned_by)
        if found.state is ExportState.EXPIRED:
            raise NotFound(f"the file was deleted after {self.file_hours} hours: export it again")
        if found.state is not ExportState.DONE:
            why = found.problem or f"its state is {found.state}"
            raise Conflict(f"there is no file of this export: {why}")
        return found

    async def delete(self, export_id: int, *, owned_by: str | None) -> None:
        """Delete an export and its file; one that is not done yet is cancelled.

        Raises:
            NotFound: there is none.
        """
        await self.get(export_id, owned_by=owned_by)
        if await in_transaction(self._engine, partial(request_cancel, job_id=export_id)):
            return
        if await in_transaction(self._engine, partial(forget_export, export_id=export_id)):
            await forget_file(self._engine, export_id)


def _as_fact(value: object) -> str | float | int | bool | None:
    return ", ".join(map(str, value)) if isinstance(value, list) else value  # type: ignore[return-value]  # else as JSON gave it
