"""What may be done with webhooks."""

import json
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_alerts import audit
from telltale_alerts.dependencies import Actor
from telltale_alerts.webhooks import repository
from telltale_alerts.webhooks.addresses import Forbidden, Unresolved, parse, resolve
from telltale_alerts.webhooks.dispatcher import Dispatcher
from telltale_alerts.webhooks.repository import Due
from telltale_alerts.webhooks.schemas import Tried, WebhookBody
from telltale_alerts.webhooks.signing import new_secret
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict, FieldError, InvalidRequest, NotFound
from telltale_shared.instants import instant
from telltale_shared.system_events import now_us

MAX_WEBHOOKS = 50
TRIAL = {"schema": "trial/1", "explanation": "A trial from Telltale. Nothing is wrong."}


class WebhookService:
    """Makes, changes, tries and deletes webhooks."""

    def __init__(self, engine: AsyncEngine, dispatcher: Dispatcher, *, private: bool) -> None:
        self._engine = engine
        self._dispatcher = dispatcher
        self._private = private

    async def create(self, body: WebhookBody, actor: Actor) -> tuple[Any, str]:
        """A new webhook, and its secret.

        Raises:
            InvalidRequest: it may not lead there.
            Conflict: the name is taken, or there are too many.
        """
        await self._check_target(body.url)
        secret = new_secret()

        async def work(connection: AsyncConnection) -> Any:
            if len(await repository.all_webhooks(connection)) >= MAX_WEBHOOKS:
                raise Conflict(f"there are {MAX_WEBHOOKS} webhooks already; delete one first")
            webhook_id = await repository.add(connection, {**_columns(body, actor), "secret": secret})
            await self._record(connection, actor, "webhook.created", body)
            return await repository.by_id(connection, webhook_id)

        return await self._carry_out(work), secret

    async def change(self, webhook_id: int, body: WebhookBody, actor: Actor) -> Any:
        """Change all but the secret.

        Raises:
            InvalidRequest: it may not lead there.
            NotFound: there is none.
            Conflict: the name is taken.
        """
        await self._check_target(body.url)

        async def work(connection: AsyncConnection) -> Any:
            await self._find(connection, webhook_id, lock=True)
            await repository.change(connection, webhook_id, _columns(body, actor))
            if not body.enabled:
                await repository.give_up(connection, webhook_id, instant(now_us()))
            await self._record(connection, actor, "webhook.changed", body)
            return await repository.by_id(connection, webhook_id)

        return await self._carry_out(work)

    async def delete(self, webhook_id: int, actor: Actor) -> None:
        """Delete a webhook, with what waits for it.

        Raises:
            NotFound: there is none.
        """

        async def work(connection: AsyncConnection) -> None:
            row = await self._find(connection, webhook_id, lock=True)
            await repository.remove(connection, webhook_id)
            await audit.record(connection, actor, "webhook.deleted", row.name)

        await in_transaction(self._engine, work)

    async def try_out(self, webhook_id: int) -> Tried:
        """Send a message that says so, once, and tell what came of it.

        Raises:
            NotFound: there is none.
        """
        async with self._engine.connect() as connection:
            row = await self._find(connection, webhook_id)
        body = json.dumps({**TRIAL, "at": now_us()}).encode()
        problem = await self._dispatcher.send(Due(0, body, 0, row.id, row.name, row.url, row.secret))
        return Tried(delivered=problem is None, problem=problem or "")

    async def _find(self, connection: AsyncConnection, webhook_id: int, *, lock: bool = False) -> Any:
        row = await repository.by_id(connection, webhook_id, lock=lock)
        if row is None:
            raise NotFound("there is no such webhook")
        return row

    async def _carry_out(self, work: Any) -> Any:
        try:
            row = await in_transaction(self._engine, work)
        except IntegrityError as error:
            wrong = FieldError(field="name", message="is taken")
            raise Conflict("another webhook has this name", errors=[wrong]) from error
        self._dispatcher.wake()
        return row

    async def _check_target(self, url: str) -> None:
        """Refuse at once what would be refused at every attempt. A name that is not known yet may become so."""
        try:
            await resolve(parse(url), private=self._private)
        except Forbidden as error:
            raise InvalidRequest("check url", errors=[FieldError(field="url", message=str(error))]) from error
        except Unresolved:
            return

    async def _record(self, connection: AsyncConnection, actor: Actor, action: str, body: WebhookBody) -> None:
        # Of the address only the host: the rest may be as good as a password.
        told = {"host": parse(body.url).host, "min_severity": body.min_severity, "enabled": body.enabled}
        await audit.record(connection, actor, action, body.name, told)


def _columns(body: WebhookBody, actor: Actor) -> dict[str, Any]:
    kept = {"name": body.name, "url": body.url, "min_severity": body.min_severity, "enabled": body.enabled}
    return {**kept, "changed_at": instant(now_us()), "changed_by": actor.name}
