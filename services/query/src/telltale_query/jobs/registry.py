"""Which kind of job is done by what: the reaction table."""

from collections.abc import Mapping, Sequence
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_query.dead_letters import service as dead_letters
from telltale_query.deletions import service as deletions
from telltale_query.exports.job import ExportJob
from telltale_query.exports.schemas import KIND as EXPORT
from telltale_query.exports.scratch import remove_abandoned
from telltale_query.imports import handlers as imports
from telltale_query.imports.outdated import forget_outdated
from telltale_query.jobs.housekeeping import Chore
from telltale_query.jobs.run import Kind
from telltale_query.settings import Settings

log = structlog.get_logger("telltale.jobs")


def kinds(settings: Settings) -> Mapping[str, Kind]:
    """What the jobs process can do, by the kind that a request names."""
    return {
        **imports.kinds(settings.retention_days),
        **deletions.kinds(),
        **dead_letters.kinds(settings.retention_days),
        EXPORT: Kind(ExportJob(settings.export_max_rows), heavy=False),
    }


def clean_up() -> None:
    """Remove what jobs of processes that were killed have left on this machine."""
    left = remove_abandoned()
    if left:
        log.info("unfinished exports removed", folders=left)


def chores(settings: Settings, engine: AsyncEngine) -> Sequence[Chore]:
    """What the jobs process has to forget now and then, beside jobs and their files."""
    return [
        partial(
            forget_outdated,
            engine,
            hours=settings.job_file_hours,
            days=settings.job_days,
            retention_days=settings.retention_days,
        )
    ]
