"""The stand-in's alerts: one that fires, one that is over, and rules that can be made, tried and deleted."""

from collections.abc import Callable
from typing import Any

import stand_in_replies as replies
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MINUTE = 60_000_000
Reply = Callable[..., JSONResponse]


class Alerts:
    """All state, and the endpoints as methods."""

    def __init__(self, problem: Reply, listing: Reply) -> None:
        self._problem, self._listing = problem, listing
        now = replies.now_us()
        alert = {
            "rule_id": "2", "rule_name": "Press too hot", "kind": "threshold", "severity": "critical",
            "source": "press-1", "category": "temperature", "unit": "°C", "state": "firing", "value": 97.2,
            "since": replies.iso(now - 3 * MINUTE), "fired_at": replies.iso(now - MINUTE), "resolved_at": None,
            "explanation": "97.2 °C, above 90 °C for 2 min.", "acknowledged_by": None, "silenced_until": None,
        }  # fmt: skip
        over = {"state": "resolved", "resolved_at": replies.iso(now), "rule_name": "Pump silent"}
        self.alerts = [
            {**alert, "id": "12"},
            {**alert, "id": "11", **over},
        ]
        missing = {"kind": "missing_readings"}
        hot = {"kind": "threshold", "direction": "above", "value": 90.0, "clear": 85.0}
        self.rules = [
            self._rule({"name": "Readings are missing", "condition": missing, "for_seconds": 60}, "1", built_in=True),
            self._rule({"name": "Press too hot", "condition": hot, "sources": ["press-1"]}, "2"),
        ]
        self.silences: list[dict[str, Any]] = []
        self.webhooks: list[dict[str, Any]] = []
        self.cannot_tell: list[str] = []

    def _rule(self, body: dict[str, Any], number: str, *, built_in: bool = False, version: int = 1) -> dict[str, Any]:
        basic = {"severity": "critical", "enabled": True, "sources": [], "categories": [], "for_seconds": 0}
        known = {"clear_after_seconds": 0, "open_alerts": 0, "cannot_tell": "", "changed_by": "Demo user"}
        at = replies.iso(replies.now_us())
        return {**basic, **known, **body, "id": number, "version": version, "built_in": built_in, "changed_at": at}

    async def status(self, request: Request) -> Response:
        counts = {
            state: sum(one["state"] == state for one in self.alerts)
            for state in ("pending", "firing", "acknowledged", "silenced")
        }
        return JSONResponse({**counts, "behind_seconds": 0.1, "cannot_tell": self.cannot_tell})

    async def list_alerts(self, request: Request) -> Response:
        states = request.query_params.getlist("state")
        return self._listing([one for one in self.alerts if not states or one["state"] in states])

    def _alert(self, request: Request) -> dict[str, Any]:
        return next(one for one in self.alerts if one["id"] == request.path_params["id"])

    async def alert(self, request: Request) -> Response:
        alert = self._alert(request)
        entry = {"at": alert["since"], "recorded_at": alert["since"], "value": 97.2, "by": None, "note": None}
        states = ["firing", *([alert["state"]] if alert["state"] != "firing" else [])]
        history = [{**entry, "state": state, "explanation": alert["explanation"]} for state in states]
        return JSONResponse({**alert, "history": history})

    async def acknowledgement(self, request: Request) -> Response:
        alert = self._alert(request)
        given = request.method == "POST"
        alert.update(state="acknowledged" if given else "firing", acknowledged_by="Demo user" if given else None)
        return JSONResponse(alert)

    async def list_rules(self, request: Request) -> Response:
        return self._listing(self.rules)

    async def create_rule(self, request: Request) -> Response:
        body = await request.json()
        if any(one["name"] == body["name"] for one in self.rules):
            return self._problem(409, "Conflict", "another rule has this name")
        self.rules.append(self._rule(body, str(len(self.rules) + 1)))
        return JSONResponse(self.rules[-1], 201)

    async def rule(self, request: Request) -> Response:
        number = request.path_params["id"]
        place = next(n for n, one in enumerate(self.rules) if one["id"] == number)
        if request.method == "DELETE":
            del self.rules[place]
            return Response(status_code=204)
        old = self.rules[place]
        self.rules[place] = self._rule(
            await request.json(), number, built_in=old["built_in"], version=old["version"] + 1
        )
        return JSONResponse(self.rules[place])

    async def try_rule(self, request: Request) -> Response:
        body = await request.json()
        fired = {name: self.alerts[1][name] for name in ("source", "category", "unit", "since", "fired_at", "value")}
        one = {**fired, "resolved_at": self.alerts[1]["resolved_at"], "explanation": "95 °C, above 90 °C."}
        summary = {"total": 1, "still_pending": 0, "readings": 3600, "series": 1, "is_complete": True}
        return JSONResponse({"alerts": [one], **summary, "evaluated_to": body["to"]})

    async def list_silences(self, request: Request) -> Response:
        return self._listing(self.silences)

    async def begin_silence(self, request: Request) -> Response:
        body = await request.json()
        at = replies.iso(replies.now_us())
        silence = {**body, "id": str(len(self.silences) + 1), "created_at": at, "created_by": "Demo user"}
        self.silences.append(silence)
        for one in self.alerts:
            if one["state"] in ("firing", "acknowledged"):
                one.update(state="silenced", silenced_until=body["ends_at"])
        return JSONResponse(silence, 201)

    async def end_silence(self, request: Request) -> Response:
        self.silences = [one for one in self.silences if one["id"] != request.path_params["id"]]
        return Response(status_code=204)

    async def list_webhooks(self, request: Request) -> Response:
        return self._listing(self.webhooks)

    async def create_webhook(self, request: Request) -> Response:
        body = await request.json()
        at = replies.iso(replies.now_us())
        row = {**body, "id": str(len(self.webhooks) + 1), "changed_at": at, "changed_by": "Demo admin"}
        self.webhooks.append(row)
        return JSONResponse({**row, "secret": "whsec_stand-in"}, 201)

    async def webhook(self, request: Request) -> Response:
        row = next(one for one in self.webhooks if one["id"] == request.path_params["id"])
        if request.method == "DELETE":
            self.webhooks.remove(row)
            return Response(status_code=204)
        row.update(await request.json(), changed_at=replies.iso(replies.now_us()))
        return JSONResponse(row)

    async def deliveries(self, request: Request) -> Response:
        return self._listing([])

    def routes(self, api: str) -> list[Route]:
        """What is answered below ``api``."""
        return [
            Route(f"{api}/alerts/status", self.status),
            Route(f"{api}/alerts", self.list_alerts),
            Route(f"{api}/alerts/{{id}}", self.alert),
            Route(f"{api}/alerts/{{id}}/acknowledgement", self.acknowledgement, methods=["POST", "DELETE"]),
            Route(f"{api}/rules", self.list_rules),
            Route(f"{api}/rules", self.create_rule, methods=["POST"]),
            Route(f"{api}/rules/try", self.try_rule, methods=["POST"]),
            Route(f"{api}/rules/{{id}}", self.rule, methods=["PUT", "DELETE"]),
            Route(f"{api}/silences", self.list_silences),
            Route(f"{api}/silences", self.begin_silence, methods=["POST"]),
            Route(f"{api}/silences/{{id}}", self.end_silence, methods=["DELETE"]),
            Route(f"{api}/webhooks", self.list_webhooks),
            Route(f"{api}/webhooks", self.create_webhook, methods=["POST"]),
            Route(f"{api}/webhooks/{{id}}", self.webhook, methods=["PUT", "DELETE"]),
            Route(f"{api}/webhooks/{{id}}/deliveries", self.deliveries),
        ]
