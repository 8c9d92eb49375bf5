"""What the audit looks like from outside."""

from typing import Any

from pydantic import BaseModel

from telltale_auth.lists import Instant


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
