"""What webhooks look like outside."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from telltale_alerts.evaluation.rules import Severity
from telltale_alerts.names import Label
from telltale_alerts.paging import Numbered
from telltale_alerts.webhooks.addresses import URL_MAX, Forbidden, parse
from telltale_shared.lists import Instant


def _parsable(text: str) -> str:
    try:
        parse(text)
    except Forbidden as error:
        raise ValueError(str(error)) from error
    return text


Url = Annotated[str, Field(min_length=1, max_length=URL_MAX), AfterValidator(_parsable)]


class WebhookBody(BaseModel):
    """Where alerts go."""

    model_config = ConfigDict(extra="forbid")

    name: Label
    url: Url
    min_severity: Severity = Severity.WARNING
    """Only alerts that are at least as bad."""
    enabled: bool = True


class WebhookView(BaseModel):
    """A webhook, without its secret."""

    id: str
    name: str
    url: str
    min_severity: Severity
    enabled: bool
    changed_at: Instant
    changed_by: str


class CreatedWebhook(WebhookView):
    """A webhook with its secret, which is shown this once."""

    secret: str
    """Key of the HMAC-SHA256 in ``X-Telltale-Signature: t=…,v1=…``, over ``t``, a dot and the body."""


class DeliveryView(Numbered):
    """One message to a webhook."""

    alert_id: str
    state: str
    """``waiting``, ``delivered`` or ``failed``."""
    attempts: int
    created_at: Instant
    next_at: Instant | None
    ended_at: Instant | None
    problem: str
    """Of the last attempt; empty when it was taken."""


class Tried(BaseModel):
    """What came of a message sent to try a webhook."""

    delivered: bool
    problem: str
