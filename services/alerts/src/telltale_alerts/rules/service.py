"""What may be done with rules."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_alerts import audit
from telltale_alerts.dependencies import Actor
from telltale_alerts.evaluation.rules import Kind
from telltale_alerts.monitor import Monitor
from telltale_alerts.rules import repository
from telltale_alerts.rules.repository import StoredRule
from telltale_alerts.rules.schemas import RuleBody
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict, FieldError, InvalidRequest, NotFound, PreconditionFailed
from telltale_shared.instants import instant
from telltale_shared.system_events import now_us

MAX_RULES = 500

NO_SUCH_RULE = "there is no such rule"


class RuleService:
    """Changes rules, and has the monitor watch by them."""

    def __init__(self, engine: AsyncEngine, monitor: Monitor) -> None:
        self._engine = engine
        self._monitor = monitor

    async def create(self, body: RuleBody, actor: Actor) -> StoredRule:
        """A new rule, which is watched by when this returns.

        Raises:
            Conflict: the name is taken, or there are too many rules.
        """
        _refuse_built_in_kind(body)

        async def work(connection: AsyncConnection) -> StoredRule | None:
            if await repository.count(connection) >= MAX_RULES:
                raise Conflict(f"there are {MAX_RULES} rules already; delete one first")
            await _check_name(connection, body.name, None)
            rule_id = await repository.add(connection, body.as_rule(), enabled=body.enabled, by=actor.name, at=_now())
            await audit.record(connection, actor, "rule.created", body.name, body.model_dump(mode="json"))
            return await repository.by_id(connection, rule_id)

        return await self._carry_out(work, actor)

    async def change(self, rule_id: int, body: RuleBody, actor: Actor, *, version: int | None) -> StoredRule:
        """Replace a rule. What it has open ends, unless only its name or severity changes.

        Args:
            rule_id: which.
            body: what it becomes.
            actor: who changes it.
            version: that it must still have; None: any.

        Raises:
            NotFound: there is none.
            PreconditionFailed: somebody else was faster.
            Conflict: the name is taken, or it is built in and this much of it may not change.
        """

        async def work(connection: AsyncConnection) -> StoredRule | None:
            old = await repository.by_id(connection, rule_id, lock=True)
            if old is None:
                raise NotFound(NO_SUCH_RULE)
            if version is not None and version != old.version:
                raise PreconditionFailed(f"{old.changed_by} has changed this rule meanwhile; look at it again")
            new = body.as_rule(rule_id, old.rule.revision)
            if old.built_in:
                _check_built_in(old, body)
            else:
                _refuse_built_in_kind(body)
            await _check_name(connection, body.name, rule_id)
            if replace(new, name=old.rule.name, severity=old.rule.severity) != old.rule:
                new = replace(new, revision=old.rule.revision + 1)
            await repository.change(
                connection, new, version=old.version + 1, enabled=body.enabled, by=actor.name, at=_now()
            )
            await audit.record(connection, actor, "rule.changed", body.name, body.model_dump(mode="json"))
            return await repository.by_id(connection, rule_id)

        return await self._carry_out(work, actor)

    async def delete(self, rule_id: int, actor: Actor) -> None:
        """Delete a rule; what it has open ends.

        Raises:
            NotFound: there is none.
            Conflict: it is built in.
        """

        async def work(connection: AsyncConnection) -> StoredRule | None:
            old = await repository.by_id(connection, rule_id, lock=True)
            if old is None:
                raise NotFound(NO_SUCH_RULE)
            if old.built_in:
                raise Conflict("this rule is built in and cannot be deleted; silence it instead")
            await repository.remove(connection, rule_id)
            await audit.record(connection, actor, "rule.deleted", old.rule.name)
            return old

        await self._carry_out(work, actor)

    async def _carry_out(self, work: repository.Work, actor: Actor) -> StoredRule:
        try:
            stored = await in_transaction(self._engine, work)
        except IntegrityError as error:
            raise _name_taken() from error
        assert stored is not None  # noqa: S101 - it was written in the same transaction
        await self._monitor.take_up_changes(by=actor.name)
        return stored


def _now() -> datetime:
    return instant(now_us())


def _name_taken() -> Conflict:
    return Conflict("another rule has this name", errors=[FieldError(field="name", message="is taken")])


async def _check_name(connection: AsyncConnection, name: str, rule_id: int | None) -> None:
    if await repository.name_is_taken(connection, name, by_other_than=rule_id):
        raise _name_taken()


def _refuse_built_in_kind(body: RuleBody) -> None:
    if body.kind is Kind.MISSING_READINGS:
        wrong = FieldError(field="condition.kind", message="is watched for by the built-in rule alone")
        raise InvalidRequest("check condition.kind", errors=[wrong])


def _check_built_in(old: StoredRule, body: RuleBody) -> None:
    if body.kind is not old.rule.kind or body.sources or body.categories or not body.enabled:
        raise Conflict("this rule is built in: only its name, severity and durations can be changed")
