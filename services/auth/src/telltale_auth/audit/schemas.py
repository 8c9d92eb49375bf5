"""What the audit looks like from outside, and what may be asked of it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from telltale_auth.audit.repository import Conditions
from telltale_shared.lists import Instant

Text = Annotated[str, Field(max_length=200)]


class AuditQuery(BaseModel):
    """Which entries, and which page of them."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    q: Text = ""
    """A part of actor, action, target or detail; any case."""
    actor: Text = ""
    """A part of the e-mail address of whoever did it."""
    target: Text = ""
    """A part of the e-mail address of the account that it was done to."""
    action: Text = ""
    """The beginning of the action's name, such as ``session`` or ``user.role``."""
    outcome: Literal["done", "refused"] | None = None
    start: Annotated[AwareDatetime | None, Field(alias="from")] = None
    """From this instant on."""
    end: Annotated[AwareDatetime | None, Field(alias="to")] = None
    """Before this instant."""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 50
    cursor: Annotated[str | None, Field(max_length=1_100)] = None
    """``next_cursor`` of the page before."""

    def conditions(self) -> Conditions:
        """The entries asked for, as the repository takes it."""
        return Conditions(
            search=self.q,
            actor=self.actor,
            target=self.target,
            action=self.action,
            outcome=self.outcome,
            start=_naive(self.start),
            end=_naive(self.end),
        )


def _naive(instant: datetime | None) -> datetime | None:
    """As the table holds it: UTC, and no year that it cannot hold."""
    if instant is None:
        return None
    try:
        return instant.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return datetime.min if instant.year == datetime.min.year else datetime.max  # noqa: DTZ901 - naive, as the table


class AuditEntry(BaseModel):
    """One change of identity."""

    id: str
    at: Instant
    actor: str
    """E-mail address of whoever did it; empty for somebody not signed in, and for the system itself."""
    action: str
    target: str
    detail: dict[str, Any]
    outcome: str
    """``done`` or ``refused``."""
    address: str
    request_id: str
