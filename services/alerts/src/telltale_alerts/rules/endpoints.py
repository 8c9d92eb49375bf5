"""``/rules``."""

import re
from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from telltale_alerts.dependencies import Database, Id, TheMonitor, actor_of
from telltale_alerts.evaluation.rules import SECOND
from telltale_alerts.monitor import Monitor
from telltale_alerts.rules import repository
from telltale_alerts.rules.repository import StoredRule
from telltale_alerts.rules.schemas import RuleBody, RuleView, Trial, TrialBody, condition_of
from telltale_alerts.rules.service import NO_SUCH_RULE, RuleService
from telltale_alerts.rules.trial import Trials
from telltale_shared.errors import NotFound, PreconditionFailed, ProblemDetails
from telltale_shared.lists import Page
from telltale_shared.security import User, Viewer

router = APIRouter(prefix="/rules", tags=["rules"])

_NOT_FOUND = {404: {"model": ProblemDetails, "description": "There is no such rule."}}


def _service(database: Database, monitor: TheMonitor) -> RuleService:
    return RuleService(database, monitor)


def _trials(request: Request) -> Trials:
    trials: Trials = request.app.state.trials
    return trials


Rules = Annotated[RuleService, Depends(_service)]


def _version(if_match: Annotated[str | None, Header(max_length=100)] = None) -> int | None:
    if if_match is None:
        return None
    if not (found := re.fullmatch(r'(?:W/)?"?(\d{1,9})"?', if_match.strip(), re.ASCII)):
        raise PreconditionFailed("If-Match must be the version of the rule")
    return int(found[1])


Version = Annotated[int | None, Depends(_version)]


def _view(stored: StoredRule, monitor: Monitor, open_alerts: int) -> RuleView:
    rule = stored.rule
    return RuleView(
        id=str(rule.id),
        version=stored.version,
        name=rule.name,
        severity=rule.severity,
        enabled=stored.enabled,
        built_in=stored.built_in,
        sources=sorted(rule.sources),
        categories=sorted(rule.categories),
        condition=condition_of(rule),
        for_seconds=rule.hold / SECOND,
        clear_after_seconds=rule.clear_after / SECOND,
        open_alerts=open_alerts,
        cannot_tell=monitor.doubt(rule) if stored.enabled else "",
        changed_at=stored.changed_at,
        changed_by=stored.changed_by,
    )


def _viewed(stored: StoredRule, monitor: Monitor, response: Response) -> RuleView:
    response.headers["ETag"] = f'"{stored.version}"'
    return _view(stored, monitor, _open_alerts(monitor)[stored.rule.id])


def _open_alerts(monitor: Monitor) -> Counter[int]:
    return Counter(rule_id for rule_id, _, _ in monitor.evaluator.alerts)


@router.get("", summary="Every rule")
async def list_rules(_: Viewer, database: Database, monitor: TheMonitor) -> Page[RuleView]:
    async with database.connect() as connection:
        stored = await repository.all_rules(connection)
    open_alerts = _open_alerts(monitor)
    items = [_view(one, monitor, open_alerts[one.rule.id]) for one in stored]
    return Page(items=items, next_cursor=None, total=len(items))


@router.post("", status_code=201, summary="A new rule, watched by at once")
async def create_rule(
    body: RuleBody, principal: User, rules: Rules, monitor: TheMonitor, request: Request, response: Response
) -> RuleView:
    return _viewed(await rules.create(body, actor_of(principal, request)), monitor, response)


@router.post("/try", summary="What a rule would have done; changes nothing")
async def try_rule(body: TrialBody, _: Viewer, trials: Annotated[Trials, Depends(_trials)], request: Request) -> Trial:
    """Reads records and anomalies of query as whoever asks, and evaluates them as if they had just come."""
    return await trials.run(body, authorization=request.headers["authorization"])


@router.get("/{id}", summary="One rule", responses=_NOT_FOUND)  # type: ignore[arg-type]  # FastAPI wants int | str keys
async def get_rule(
    id: Id,  # noqa: A002 - as in the path
    _: Viewer,
    database: Database,
    monitor: TheMonitor,
    response: Response,
) -> RuleView:
    async with database.connect() as connection:
        stored = await repository.by_id(connection, id)
    if stored is None:
        raise NotFound(NO_SUCH_RULE)
    return _viewed(stored, monitor, response)


@router.put("/{id}", summary="Change a rule", responses=_NOT_FOUND)  # type: ignore[arg-type]  # as above
async def change_rule(
    id: Id,  # noqa: A002 - as in the path
    body: RuleBody,
    principal: User,
    rules: Rules,
    monitor: TheMonitor,
    version: Version,
    request: Request,
    response: Response,
) -> RuleView:
    """Alerts that it has open end, unless only its name or severity changes."""
    return _viewed(await rules.change(id, body, actor_of(principal, request), version=version), monitor, response)


@router.delete("/{id}", status_code=204, summary="Delete a rule; what it has open ends", responses=_NOT_FOUND)  # type: ignore[arg-type]  # as above
async def delete_rule(id: Id, principal: User, rules: Rules, request: Request) -> Response:  # noqa: A002 - as in the path
    await rules.delete(id, actor_of(principal, request))
    return Response(status_code=204)
