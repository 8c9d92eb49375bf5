"""What silences look like outside."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from telltale_alerts.names import Names, Remark
from telltale_alerts.paging import Numbered
from telltale_shared.lists import Instant

RuleId = Annotated[str, Field(pattern="^[0-9]{1,18}$")]


class SilenceBody(BaseModel):
    """What is to be kept quiet: alerts that match everything that is said here."""

    model_config = ConfigDict(extra="forbid")

    rule_id: RuleId | None = None
    """Null means every rule."""
    sources: Names = []
    """Empty means all."""
    categories: Names = []
    """Empty means all."""
    ends_at: AwareDatetime
    """At most 30 days from now."""
    reason: Annotated[Remark, StringConstraints(min_length=1)]


class SilenceView(Numbered):
    """A silence."""

    rule_id: str | None
    sources: list[str]
    categories: list[str]
    ends_at: datetime
    reason: str
    created_at: Instant
    created_by: str
