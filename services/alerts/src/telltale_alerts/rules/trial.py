"""Trying a rule on the past: the same evaluation over what query has stored, read as whoever asks."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import structlog

from telltale_alerts.evaluation.rehearsal import Rehearsal
from telltale_alerts.evaluation.rules import Kind
from telltale_alerts.evaluation.state import Change
from telltale_alerts.names import outside, outside_or_none
from telltale_alerts.rules.schemas import Trial, TrialAlert, TrialBody
from telltale_shared.contracts import AnomalyDetected
from telltale_shared.errors import FieldError, Forbidden, InvalidRequest, TooManyRequests, Unauthenticated, Unavailable
from telltale_shared.instants import microseconds

log = structlog.get_logger("telltale.alerts")

LONGEST = timedelta(days=31)
READINGS_MAX = 100_000
PAGE = 1_000
SHOWN = 1_000
AT_ONCE = 4
TIMEOUT = 15.0
"""Seconds for one page."""
PATIENCE = 40.0
"""Seconds for all."""


class Trials:
    """Runs trials, a few at once."""

    def __init__(self, query_url: str, http: httpx.AsyncClient) -> None:
        self._url = f"{query_url.rstrip('/')}/api/v1"
        self._http = http
        self._running = 0

    async def run(self, body: TrialBody, *, authorization: str) -> Trial:
        """What the rule of ``body`` would have done.

        Raises:
            InvalidRequest: the range is empty, too long, or the rule cannot be tried.
            TooManyRequests: others are trying rules right now.
            Unavailable: query does not answer.
        """
        start, end = _bounds(body)
        if self._running >= AT_ONCE:
            raise TooManyRequests("several rules are being tried right now; try again in a moment")
        self._running += 1
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._run(body, start, end, authorization)
        except TimeoutError as error:
            raise Unavailable("the past could not be read in time: choose a shorter range or fewer series") from error
        finally:
            self._running -= 1

    async def _run(self, body: TrialBody, start: datetime, end: datetime, authorization: str) -> Trial:
        rule = body.rule.as_rule(rule_id=1, revision=1)
        rehearsal = Rehearsal(rule)
        params = {
            "source": body.rule.sources,
            "category": body.rule.categories,
            "from": start.isoformat(),
            "to": end.isoformat(),
            "sort": "observed_at",
        }
        what = "anomalies" if rule.kind is Kind.ANOMALY else "records"
        count, reached = 0, end
        async for page in self._pages(what, params, authorization):
            for item in page:
                at = microseconds(datetime.fromisoformat(item["observed_at"]))
                if rule.kind is Kind.ANOMALY:
                    rehearsal.anomaly(_anomaly(item, at))
                else:
                    rehearsal.reading(item["source"], item["category"], item["unit"], at, float(item["value"]))
            count += len(page)
            if count >= READINGS_MAX:
                reached = datetime.fromisoformat(page[-1]["observed_at"])
                break
            await asyncio.sleep(0)
        rehearsal.finish(microseconds(reached))
        fired = sorted(rehearsal.fired, key=lambda change: change.at)
        return Trial(
            alerts=[_shown(change) for change in fired[:SHOWN]],
            total=len(fired),
            still_pending=rehearsal.pending,
            readings=count,
            series=rehearsal.series,
            evaluated_to=reached,
            is_complete=reached == end,
        )

    async def _pages(
        self, what: str, params: dict[str, Any], authorization: str
    ) -> AsyncIterator[list[dict[str, Any]]]:
        cursor: str | None = None
        while True:
            asked = {**params, "limit": PAGE, **({"cursor": cursor} if cursor else {})}
            try:
                response = await self._http.get(
                    f"{self._url}/{what}", params=asked, headers={"Authorization": authorization}, timeout=TIMEOUT
                )
            except httpx.HTTPError as error:
                raise Unavailable("query does not answer, so there is no past to try the rule on") from error
            body = _checked(response)
            if body["items"]:
                yield body["items"]
            cursor = body["next_cursor"]
            if cursor is None:
                return


def _bounds(body: TrialBody) -> tuple[datetime, datetime]:
    if body.rule.kind is Kind.MISSING_READINGS:
        raise _wrong("rule.condition.kind", "the ledger keeps no past to try a rule on")
    try:
        start, end = body.start.astimezone(UTC), body.end.astimezone(UTC)
    except OverflowError as error:
        raise _wrong("from", "lies outside of the years that can be asked for") from error
    if not start < end:
        raise _wrong("to", "must be later than from")
    if end - start > LONGEST:
        raise _wrong("to", f"must be at most {LONGEST.days} days later than from")
    if not start.year >= 1970 or end.year > 9998:
        raise _wrong("from", "lies outside of the years that can be asked for")
    return start, end


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"check {field}", errors=[FieldError(field=field, message=message)])


def _checked(response: httpx.Response) -> dict[str, Any]:
    if response.is_success:
        body: dict[str, Any] = response.json()
        return body
    if response.status_code == 401:
        raise Unauthenticated("query does not accept this token; log in again")
    if response.status_code == 403:
        raise Forbidden("query does not let you read records")
    log.warning("no past to try a rule on", status=response.status_code, answer=response.text[:300])
    raise Unavailable("query cannot tell the past right now: choose a shorter range, or try again in a moment")


def _anomaly(item: dict[str, Any], at: int) -> AnomalyDetected:
    return AnomalyDetected(
        **{
            name: item[name] for name in ("source", "category", "unit", "value", "score", "kind", "detector", "version")
        },
        observed_at=at,
        expected_low=item["expected_low"],
        expected_high=item["expected_high"],
        explanation=item["explanation"],
        detected_at=at,
    )


def _shown(fired: Change) -> TrialAlert:
    alert = fired.alert
    return TrialAlert(
        source=alert.source,
        category=alert.category,
        unit=alert.unit,
        since=outside(alert.since),
        fired_at=outside(fired.at),
        resolved_at=outside_or_none(alert.resolved_at),
        value=fired.value,
        explanation=fired.explanation,
    )
