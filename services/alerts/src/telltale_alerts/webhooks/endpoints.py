"""``/webhooks``: ADMIN only, since they make this machine call others, and their addresses may hold secrets."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from telltale_alerts.dependencies import Database, Id, actor_of
from telltale_alerts.paging import before, cut
from telltale_alerts.webhooks import repository
from telltale_alerts.webhooks.schemas import CreatedWebhook, DeliveryView, Tried, WebhookBody, WebhookView
from telltale_alerts.webhooks.service import WebhookService
from telltale_shared.errors import ProblemDetails
from telltale_shared.lists import Cursor, Limit, Page
from telltale_shared.security import Admin

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemDetails, "description": "There is no such webhook."}
}


def _service(request: Request) -> WebhookService:
    service: WebhookService = request.app.state.webhooks
    return service


Webhooks = Annotated[WebhookService, Depends(_service)]


def _view(row: Any) -> dict[str, Any]:
    names = ("name", "url", "min_severity", "enabled", "changed_at", "changed_by")
    return {"id": str(row.id), **{name: getattr(row, name) for name in names}}


@router.get("", summary="Every webhook")
async def list_webhooks(_: Admin, database: Database) -> Page[WebhookView]:
    async with database.connect() as connection:
        rows = await repository.all_webhooks(connection)
    return Page(items=[WebhookView(**_view(row)) for row in rows], next_cursor=None, total=len(rows))


@router.post("", status_code=201, summary="A new webhook; its secret is shown this once")
async def create_webhook(
    body: WebhookBody, principal: Admin, webhooks: Webhooks, request: Request, response: Response
) -> CreatedWebhook:
    row, secret = await webhooks.create(body, actor_of(principal, request))
    response.headers["Cache-Control"] = "no-store"
    return CreatedWebhook(**_view(row), secret=secret)


@router.put("/{id}", summary="Change a webhook; its secret stays", responses=_NOT_FOUND)
async def change_webhook(
    id: Id,  # noqa: A002 - as in the path
    body: WebhookBody,
    principal: Admin,
    webhooks: Webhooks,
    request: Request,
) -> WebhookView:
    return WebhookView(**_view(await webhooks.change(id, body, actor_of(principal, request))))


@router.delete("/{id}", status_code=204, summary="Delete a webhook, with what waits for it", responses=_NOT_FOUND)
async def delete_webhook(id: Id, principal: Admin, webhooks: Webhooks, request: Request) -> Response:  # noqa: A002 - as in the path
    await webhooks.delete(id, actor_of(principal, request))
    return Response(status_code=204)


@router.post("/{id}/try", summary="Send a trial message now", responses=_NOT_FOUND)
async def try_webhook(id: Id, _: Admin, webhooks: Webhooks) -> Tried:  # noqa: A002 - as in the path
    return await webhooks.try_out(id)


@router.get("/{id}/deliveries", summary="What was sent, newest first")
async def list_deliveries(
    id: Id,  # noqa: A002 - as in the path
    _: Admin,
    database: Database,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeliveryView]:
    async with database.connect() as connection:
        rows, total = await repository.deliveries_of(connection, id, before_id=before(cursor), limit=limit + 1)
    items = [
        DeliveryView.model_validate({**row._mapping, "id": str(row.id), "alert_id": str(row.alert_id)}) for row in rows
    ]
    return cut(items, limit, total)
