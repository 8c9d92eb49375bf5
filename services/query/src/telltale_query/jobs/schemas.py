"""What a job looks like, inside and outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from telltale_query.filters import PageQuery, Word
from telltale_shared.store.audit import Actor


class JobState(StrEnum):
    """How far a job is. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = (JobState.QUEUED, JobState.RUNNING)


class JobQuery(PageQuery):
    """Which jobs, and which page of them."""

    kind: list[Word] = Field([], max_length=20, description="Only these kinds; repeat it for several.")
    state: list[JobState] = Field([], description="Only these states; repeat it for several.")


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of long work, as its owner sees it."""

    id: int
    kind: str
    state: JobState
    phase: str | None
    """What it is doing; a word of its kind."""
    rows_done: int
    """Of this phase."""
    rows_total: int | None
    """Of this phase; null while nobody knows."""
    rate: float | None
    """Rows a second: lately while it runs, altogether once it is done."""
    problem: str | None
    """Why it failed."""
    result: Mapping[str, Any] | None
    cancel_requested: bool
    created_by: str
    """The name of whoever asked for it."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A job as its worker sees it: it holds the lease under the name ``owner``."""

    id: int
    kind: str
    parameters: Mapping[str, Any]
    actor: Actor
    """Who asked for it, and with which request."""
    owner: str
    attempts: int
    """Times that somebody began or resumed it, this time included; a lease that was handed back does not count."""
    cancel_requested: bool
    phase: str | None
    """Where the last attempt was."""
