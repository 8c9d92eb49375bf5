"""The stand-in's System page: the ledger, what runs, dead letters that can be resolved, logs and the audit."""

from collections.abc import Callable
from typing import Any

import stand_in_replies as replies
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Listing = Callable[[list[dict[str, Any]]], JSONResponse]
StartJob = Callable[[str, int, dict[str, Any]], dict[str, Any]]


class System:
    """All state, and the endpoints as methods."""

    def __init__(self, listing: Listing, start_job: StartJob) -> None:
        self._listing, self._start_job = listing, start_job
        self.fresh: list[dict[str, Any]] = []
        self.dead = replies.dead_letters()

    async def ledger(self, request: Request) -> Response:
        known = replies.ledger()
        return JSONResponse({**known, "producers": [*self.fresh, *known["producers"]]})

    async def begin_producer(self, request: Request) -> Response:
        """A producer begins while somebody looks at the ledger; no service offers this."""
        self.fresh.insert(0, {**replies.ledger()["producers"][0], **await request.json()})
        return Response(status_code=204)

    async def ledger_days(self, request: Request) -> Response:
        return JSONResponse({"days": replies.ledger_days(request.query_params.get("producer"))})

    async def missing_numbers(self, request: Request) -> Response:
        return self._listing(replies.missing_numbers(request.query_params.get("producer")))

    async def status(self, request: Request) -> Response:
        return JSONResponse(replies.status())

    async def dead_letters(self, request: Request) -> Response:
        state, reasons = request.query_params.get("resolution"), request.query_params.getlist("reason")
        letters = [
            one
            for one in self.dead
            if state in (None, one["resolution"] or "open") and (not reasons or one["reason"] in reasons)
        ]
        return self._listing(letters)

    async def bury(self, request: Request) -> Response:
        """A letter comes while somebody looks at the list; no service offers this."""
        latest = {"id": str(len(self.dead) + 1), "at": replies.iso(replies.now_us()), **await request.json()}
        self.dead.insert(0, {**replies.dead_letters()[0], **latest})
        return Response(status_code=204)

    async def dead_letter(self, request: Request) -> Response:
        return JSONResponse(next(one for one in self.dead if one["id"] == request.path_params["id"]))

    async def resolve_dead_letters(self, request: Request) -> Response:
        choice = await request.json()
        what = request.path_params["what"]
        resolved = {"replay": "replayed", "discard": "discarded"}[what]
        chosen = [one for one in self.dead if one["resolution"] is None and one["id"] in choice.get("ids", [one["id"]])]
        good = [one for one in chosen if what == "discard" or one["reason"] != "conflict"]
        for one in good:
            one |= {"resolution": resolved, "resolved_by": "Demo admin", "resolved_at": replies.iso(replies.now_us())}
        result = {"done": len(good), "stored": len(good), "repeated": 0}
        refused = {"refused conflict": len(chosen) - len(good)} if len(good) < len(chosen) else {}
        return JSONResponse(self._start_job(f"dead_letter_{what}", len(chosen), {**result, **refused}), 202)

    async def logs(self, request: Request) -> Response:
        return self._listing(replies.logs())

    async def audit(self, request: Request) -> Response:
        return self._listing(replies.audit())

    def routes(self, api: str) -> list[Route]:
        """What is answered below ``api``."""
        return [
            Route(f"{api}/ledger", self.ledger),
            Route(f"{api}/ledger", self.begin_producer, methods=["POST"]),
            Route(f"{api}/ledger/days", self.ledger_days),
            Route(f"{api}/ledger/missing", self.missing_numbers),
            Route(f"{api}/status", self.status),
            Route(f"{api}/dead-letters", self.dead_letters),
            Route(f"{api}/dead-letters", self.bury, methods=["POST"]),
            Route(f"{api}/dead-letters/{{what:str}}", self.resolve_dead_letters, methods=["POST"]),
            Route(f"{api}/dead-letters/{{id}}", self.dead_letter),
            Route(f"{api}/logs", self.logs),
            Route(f"{api}/audit", self.audit),
        ]
