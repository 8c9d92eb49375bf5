"""What the jobs process does for imports: check a file, apply it, undo it.

The state of the import says what is to be done next, so that a job goes on after a crash; it changes in the transaction
that ends what was before.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.imports import staging
from telltale_query.imports.applying import Applying
from telltale_query.imports.checking import Checking, bounds_at
from telltale_query.imports.repository import change_import, read_import
from telltale_query.imports.schemas import ImportRecord, ImportState
from telltale_query.imports.undoing import Undoing
from telltale_query.jobs.files import forget_file
from telltale_query.jobs.repository import create_job
from telltale_query.jobs.run import Cancelled, JobFailed, JobRun, Kind
from telltale_query.jobs.schemas import Claim, JobState
from telltale_query.jobs.threads import compute
from telltale_shared.database import in_transaction
from telltale_shared.store.audit import Actor, write_audit
from telltale_shared.store.horizons import hold_horizon
from telltale_shared.system_events import now_us
from telltale_shared.validation import DAY

IMPORT, APPLY, UNDO = "import", "import_apply", "import_undo"

NOW = func.utc_timestamp(6)


def kinds(retention_days: int) -> Mapping[str, Kind]:
    """The kinds of job that imports need.

    Args:
        retention_days: how long records are kept.
    """
    imports = ImportJobs(retention_days * DAY)
    return {
        IMPORT: Kind(imports.run, on_end=imports.on_end),
        APPLY: Kind(imports.run, on_end=imports.on_end),
        UNDO: Kind(imports.run, on_end=imports.on_end),
    }


class ImportJobs:
    """Handlers of jobs for imports.

    Args:
        retention: µs that records are kept.
    """

    def __init__(self, retention: int) -> None:
        self._retention = retention

    async def run(self, run: JobRun) -> Mapping[str, Any]:
        """Do what the state of the import asks for, until it asks for nothing more."""
        while True:
            record = await _read(run)
            if record.state is ImportState.CHECKING:
                try:
                    await self._check(run, record)
                except (Cancelled, JobFailed):
                    await _forget_what_is_not_needed(run, record)
                    raise
            elif record.state is ImportState.APPLYING:
                await self._apply(run, record)
            elif record.state is ImportState.UNDOING:
                await self._undo(run, record)
            else:
                await _forget_what_is_not_needed(run, record)
                if run.job.kind != UNDO:
                    # What this job had stored was taken back.
                    if record.state is ImportState.FAILED:
                        raise JobFailed(record.problem or "It could not be finished.")
                    if record.state is ImportState.CANCELLED:
                        raise Cancelled
                return {"state": record.state.value, **asdict(record.rows)}

    # --- checking

    async def _check(self, run: JobRun, record: ImportRecord) -> None:
        if not record.complete:
            raise JobFailed("The file did not arrive whole: send it again.")
        await run.checkpoint()
        # Whoever was here before may have left half of it.
        await staging.forget_staging(run.engine, record.id, *staging.TABLES, hold=run.hold)
        async with run.engine.connect() as connection:
            rows_from = await hold_horizon(connection)
        bounds = bounds_at(now_us(), self._retention, rows_from)
        checking: Checking = await compute(lambda loop: _checked(Checking(run, record, bounds, loop)))
        options = record.options
        if checking.refused or (checking.bad and options.on_error == "reject"):
            state = ImportState.REJECTED
        else:
            state = ImportState.CHECKED if options.dry_run else ImportState.APPLYING
        await self._enter(run, record, state)

    async def _enter(self, run: JobRun, record: ImportRecord, state: ImportState) -> None:
        """The end of checking: nothing is stored yet, and either all of it will be or nothing."""

        async def step(connection: AsyncConnection) -> None:
            await _hold_if_wanted(run, connection)
            if state is ImportState.APPLYING:
                await begin_apply(connection, run.job.actor, record)
            else:
                await change_import(connection, record.id, state_was=[record.state], state=state.value, finished_at=NOW)

        await in_transaction(run.engine, step)

    # --- applying

    async def _apply(self, run: JobRun, record: ImportRecord) -> None:
        async def finish(connection: AsyncConnection) -> None:
            await _hold_if_wanted(run, connection)
            await _finish(connection, record.id, run.job.actor, ImportState.APPLIED, "import.apply", finished_at=NOW)

        try:
            await Applying(run, record, run.job.actor).run()
            await in_transaction(run.engine, finish)
        except (Cancelled, JobFailed) as reason:
            problem = str(reason) if isinstance(reason, JobFailed) else None
            await in_transaction(run.engine, partial(_take_back, run=run, record=record, problem=problem))

    # --- undoing

    async def _undo(self, run: JobRun, record: ImportRecord) -> None:
        await Undoing(run, record, run.job.actor).run()
        asked_for = run.job.kind == UNDO and record.problem is None
        values = {"undone_at": NOW, "undone_by_name": run.job.actor.name[:100]} if asked_for else {"finished_at": NOW}
        if record.problem is not None:
            state = ImportState.FAILED
        else:
            state = ImportState.UNDONE if asked_for else ImportState.CANCELLED
        action = "import.undo" if asked_for else "import.apply"

        async def step(connection: AsyncConnection) -> None:
            await run.hold(connection)
            await _finish(connection, record.id, run.job.actor, state, action, **values)

        await in_transaction(run.engine, step)

    # --- ends that the handler does not decide

    async def on_end(self, connection: AsyncConnection, claim: Claim, state: JobState, problem: str | None) -> None:
        """A job has failed or was cancelled: the import must not stay as if somebody were at it, nor half applied."""
        record = await read_import(connection, claim.parameters["import_id"], lock=True)
        if record is None:
            return
        if record.state is ImportState.CHECKING:
            end = ImportState.CANCELLED if state is JobState.CANCELLED else ImportState.FAILED
            await _finish(connection, record.id, claim.actor, end, None, finished_at=NOW)
        elif record.state is ImportState.UNDOING and claim.kind == UNDO:
            # Some of it is still there: in either state it can be undone again.
            end = ImportState.FAILED if record.problem else ImportState.APPLIED
            await _finish(connection, record.id, claim.actor, end, "import.undo", outcome="failed")
        elif record.state in (ImportState.APPLYING, ImportState.UNDOING):
            undo = await create_job(connection, claim.actor, UNDO, {"import_id": record.id})
            await change_import(
                connection, record.id, state=ImportState.UNDOING.value, undo_job_id=undo, problem=problem
            )


def _checked(checking: Checking) -> Checking:
    checking.run()
    return checking


async def _hold_if_wanted(run: JobRun, connection: AsyncConnection) -> None:
    """Like ``run.hold``; a wish to stop that came since the last checkpoint counts, too.

    Raises:
        Cancelled: somebody wants the job to end.
        LeaseLost: the lease is no longer ours.
    """
    await run.hold(connection)
    if run.cancelled:
        raise Cancelled


async def _read(run: JobRun) -> ImportRecord:
    async with run.engine.connect() as connection:
        record = await read_import(connection, run.job.parameters["import_id"])
    if record is None:
        raise JobFailed("This import is not there any more.")
    return record


async def begin_apply(connection: AsyncConnection, actor: Actor, record: ImportRecord, **values: Any) -> bool:
    """From now on the rows of an import may be stored. Returns False where its state does not allow that."""
    changed = await change_import(
        connection, record.id, state_was=[record.state],
        state=ImportState.APPLYING.value, apply_began_at=NOW, **values,
    )  # fmt: skip
    if changed:
        target = target_of(record)
        after = {"rows": record.rows.good, "on_conflict": record.options.on_conflict}
        await write_audit(connection, actor, "import.apply", target, after=after, outcome="begun")
    return changed


async def _take_back(connection: AsyncConnection, run: JobRun, record: ImportRecord, problem: str | None) -> None:
    await run.hold(connection)
    await change_import(connection, record.id, state=ImportState.UNDOING.value, problem=problem)


async def _finish(
    connection: AsyncConnection,
    import_id: int,
    actor: Actor,
    state: ImportState,
    action: str | None,
    *,
    outcome: str = "",
    **values: Any,
) -> None:
    """The last state of an import, with the outcome in the audit trail where records were touched."""
    await change_import(connection, import_id, state=state.value, **values)
    record = await read_import(connection, import_id)
    if action is not None and record is not None:
        done = "done" if state in (ImportState.APPLIED, ImportState.UNDONE) else state.value
        rows = asdict(record.rows)
        await write_audit(connection, actor, action, target_of(record), after=rows, outcome=outcome or done)


async def _forget_what_is_not_needed(run: JobRun, record: ImportRecord) -> None:
    await forget_file(run.engine, record.job_id)
    if record.state is not ImportState.CHECKED:
        await staging.forget_staging(run.engine, record.id, "import_chunks")


def target_of(record: ImportRecord) -> str:
    """An import as the audit trail names it."""
    return f"import {record.id} · {record.file_name}"
