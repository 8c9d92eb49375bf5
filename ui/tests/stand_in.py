"""A stand-in for auth, query, alerts, generator and gateway on one port, so that the UI can be tried and tested alone.

``python tests/stand_in.py 9000`` serves it by hand. It keeps everything in memory and knows the demo accounts only.
"""

import asyncio
import math
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import stand_in_analytics as statistics
import stand_in_replies as replies
import uvicorn
from stand_in_alerts import Alerts
from stand_in_files import Files
from stand_in_identity import Identity
from stand_in_system import System
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from telltale_shared.contracts import AnomalyDetected, SeriesKey, stream

CLIENT = msgspec.json.Decoder(stream.ClientMessage)
POSITION = stream.Position(offset=2, producer="stand-in", first=1)
HELLO: dict[str, Any] = {
    "service": "gateway",
    "version": "0.1.0",
    "authenticate_within": 5.0,
    "session_seconds": 300.0,
    "history_seconds": 900.0,
}


def problem(status: int, title: str, detail: str = "") -> JSONResponse:
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": secrets.token_hex(8),
    }
    return JSONResponse(body, status, media_type="application/problem+json")


def listing(items: list[dict[str, Any]], total: int | None = None, cursor: str | None = None) -> JSONResponse:
    return JSONResponse(
        {"items": items, "next_cursor": cursor, "total": len(items) if total is None else total, "total_is_exact": True}
    )


class StandIn:
    """All state, and the endpoints as methods."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.anomalies: list[dict[str, Any]] = []
        self.marked: list[AnomalyDetected] = []
        self.threshold = 6.0
        self.injected: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.edits: list[dict[str, Any]] = []
        self.revisions: dict[str, int] = {}
        self.deleted: set[str] = set()
        self.exports_left = 0

    async def series(self, request: Request) -> Response:
        at = replies.now_us()
        return listing(
            [
                {
                    "id": n,
                    "source": s,
                    "category": c,
                    "unit": u,
                    "latest": {"observed_at": replies.iso(at), "value": replies.value_at(n, at)},
                }
                for n, (s, c, u, _) in enumerate(replies.SERIES)
            ]
        )

    def _chosen(self, request: Request) -> list[int]:
        chosen: list[int] = replies.choose(
            request.query_params.getlist("source"), request.query_params.getlist("category")
        )
        return chosen

    def _record(self, which: int, at: int) -> dict[str, Any]:
        source, category, unit, _ = replies.SERIES[which]
        return {
            "id": f"{which}-{at}",
            "source": source,
            "category": category,
            "observed_at": replies.iso(at),
            "value": replies.value_at(which, at),
            "unit": unit,
            "note": None,
            "import_id": None,
            "anomaly": None,
        }

    async def records(self, request: Request) -> Response:
        chosen = self._chosen(request)
        limit, offset = int(request.query_params.get("limit", 50)), int(request.query_params.get("cursor", 0))
        second = replies.now_us() // 1_000_000
        items = [
            self._record(which, (second - back) * 1_000_000)
            for back in range(offset // max(1, len(chosen)), (offset + limit) // max(1, len(chosen)) + 1)
            for which in chosen
        ][:limit]
        items = [one for one in items if one["id"] not in self.deleted]
        # A short list, for those who need one.
        total = 1_234 if request.query_params.get("min_value") == "1234.0" else 1_234_567
        return listing(items, total if chosen else 0, str(offset + limit) if chosen else None)

    async def export(self, request: Request) -> Response:
        user, asked = self._identity.user_of(request), request.query_params
        if user is None:
            return problem(401, "Not authenticated")
        if asked.get("min_value") == "0":
            return problem(422, "Invalid request", "these are 3,000,000 records: choose a shorter range")

        async def lines() -> AsyncIterator[bytes]:
            yield f"{user['name']}\r\n{asked}\r\n".encode()
            if asked.get("min_value") == "1":
                raise OSError("the database went away")
            for n in range(100):
                yield b"%d\r\n" % n * 1_000
            if asked.get("min_value") == "2":
                try:
                    await asyncio.sleep(60)
                finally:
                    self.exports_left += 1

        if asked.get("min_value") == "3":
            return JSONResponse({"left": self.exports_left})
        headers = {"content-disposition": f'attachment; filename="records.{asked["format"]}"'}
        return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)

    async def create_record(self, request: Request) -> Response:
        body = await request.json()
        if not math.isfinite(float(body["value"])):
            return problem(422, "Invalid request", "value must be a number")
        return JSONResponse({"id": "new", **body}, 201)

    async def record(self, request: Request) -> Response:
        record_id = request.path_params["id"]
        which, at = record_id.split("-")
        revision = self.revisions.get(record_id, 0)
        if request.method != "GET" and request.headers.get("if-match") != f'"{revision}"':
            return problem(412, "Changed meanwhile", "user@example.com changed this record a moment ago.")
        if request.method == "DELETE":
            self.deleted.add(record_id)
            return Response(status_code=204)
        if request.method == "PATCH":
            revision = self.revisions[record_id] = revision + 1
        return JSONResponse(self._record(int(which), int(at)), headers={"etag": f'"{revision}"'})

    def statistics(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        """One of the made-up statistics as an endpoint."""

        async def answer(request: Request) -> Response:
            return JSONResponse(getattr(statistics, name)(request.query_params))

        return answer

    async def list_anomalies(self, request: Request) -> Response:
        return listing(list(reversed(self.anomalies)))

    async def judge(self, request: Request) -> Response:
        found = next(one for one in self.anomalies if one["id"] == request.path_params["id"])
        found.update(await request.json())
        return JSONResponse(found)

    async def sensitivity(self, request: Request) -> Response:
        if request.method == "PUT":
            self.threshold = {"low": 9.0, "normal": 6.0, "high": 4.5}[(await request.json())["level"]]
        return JSONResponse(replies.sensitivity(self.threshold))

    async def try_sensitivity(self, request: Request) -> Response:
        trial = await request.json()
        return JSONResponse(replies.trial(time.time_ns() // 1_000, marks=1 if trial.get("level") == "low" else 3))

    async def inject(self, request: Request) -> Response:
        body = await request.json()
        made = {"source": replies.SERIES[0][0], "category": replies.SERIES[0][1], **body}
        await self.injected.put(made)
        return JSONResponse(made, 201)

    async def generator(self, request: Request) -> Response:
        return JSONResponse({"series": [{"source": s, "category": c, "unit": u} for s, c, u, _ in replies.SERIES]})

    async def live_stream(self, socket: WebSocket) -> None:
        await socket.accept()
        sender = Sender(socket)
        try:
            await sender.send(stream.Hello(**HELLO))
            first = CLIENT.decode(await socket.receive_text())
            if not (isinstance(first, stream.Authenticate) and first.token.startswith("stream-")):
                await socket.close(4401)
                return
            await self._feed(sender)
        except (WebSocketDisconnect, RuntimeError):
            return

    async def _feed(self, sender: "Sender") -> None:
        chosen: list[int] = []
        sent, changes = 0, self._identity.changes
        listener = asyncio.create_task(sender.socket.receive_text())
        while True:
            done, _ = await asyncio.wait([listener], timeout=0.25)
            if done:
                message = CLIENT.decode(listener.result())
                listener = asyncio.create_task(sender.socket.receive_text())
                if isinstance(message, stream.Subscribe):
                    chosen = await self._subscribe(sender, message)
            if self._identity.changes > changes:
                listener.cancel()
                await sender.socket.close(4403)
                return
            if chosen and replies.now_us() // 1_000_000 > sent:
                sent = replies.now_us() // 1_000_000
                await self._send_second(sender, chosen)

    async def _subscribe(self, sender: "Sender", message: stream.Subscribe) -> list[int]:
        chosen: list[int] = replies.choose(message.sources, message.categories)
        keys = [SeriesKey(*replies.SERIES[n][:3]) for n in chosen]
        recovered = message.after is not None
        await sender.send(stream.Subscribed(position=message.after, recovered=recovered, series=keys))
        second = replies.now_us() // 1_000_000
        minutes = int(message.history.removesuffix("m"))
        ages = [age for age in range(minutes * 60, 0, -1) if not 70 < age < 95]
        await sender.send(self._readings(chosen, [(second - age) * 1_000_000 for age in ages], history=True))
        old = replies.anomaly(4, (second - 130) * 1_000_000)
        await sender.send(stream.Anomalies(position=POSITION, items=[old, *self.marked], history=True))
        return chosen

    def _readings(self, chosen: list[int], instants: list[int], *, history: bool = False) -> stream.Readings:
        cells = [(place, which, at) for at in instants for place, which in enumerate(chosen)]
        points = stream.Points(
            series=[SeriesKey(*replies.SERIES[n][:3]) for n in chosen],
            index=[place for place, _, _ in cells],
            observed_at=[at for _, _, at in cells],
            value=[replies.value_at(which, at) for _, which, at in cells],
            published_at=[at + 3_000 for _, _, at in cells],
        )
        return stream.Readings(position=POSITION, sent_at=replies.now_us(), points=points, history=history)

    def _expected(self, chosen: list[int], at: int) -> stream.Expected:
        ranges = [replies.expected_at(which, at) for which in chosen]
        points = stream.ExpectedPoints(
            series=[SeriesKey(*replies.SERIES[n][:3]) for n in chosen],
            index=list(range(len(chosen))),
            observed_at=[at] * len(chosen),
            low=[low for low, _ in ranges],
            high=[high for _, high in ranges],
        )
        return stream.Expected(position=POSITION, points=points)

    async def _send_second(self, sender: "Sender", chosen: list[int]) -> None:
        at = replies.now_us()
        frame = self._readings(chosen, [at])
        items = []
        while not self.injected.empty():
            wanted = self.injected.get_nowait()
            name = (wanted.get("source"), wanted.get("category"))
            which = next((n for n in chosen if replies.SERIES[n][:2] == name), chosen[0])
            item = replies.anomaly(which, at)
            frame.points.value[chosen.index(which)] = item.value
            items.append(item)
            self.marked.append(item)
            self.anomalies.append(
                {
                    **msgspec.to_builtins(item),
                    "id": str(len(self.anomalies) + 1),
                    "observed_at": replies.iso(at),
                    "detected_at": replies.iso(at),
                    "verdict": None,
                }
            )
        await sender.send(frame)
        await sender.send(self._expected(chosen, at))
        if items:
            await sender.send(stream.Anomalies(position=POSITION, items=items))


class Sender:
    """Encodes the gateway's own models, so that the browser meets the true shapes."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket

    async def send(self, message: stream.ServerMessage) -> None:
        await self.socket.send_text(msgspec.json.encode(message).decode())


def create_app() -> Starlette:
    """The stand-in as an ASGI application."""
    identity = Identity(problem, listing)
    it = StandIn(identity)
    files = Files(problem, listing)
    alerts = Alerts(problem, listing)
    system = System(listing, files.start)

    async def alive(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    api = "/api/v1"
    return Starlette(
        routes=[
            Route("/health/live", alive),
            *identity.routes(api),
            Route(f"{api}/series", it.series),
            Route(f"{api}/records", it.records, methods=["GET"]),
            Route(f"{api}/records", it.create_record, methods=["POST"]),
            Route(f"{api}/records/export", it.export),
            *files.routes(api),
            *alerts.routes(api),
            Route(f"{api}/records/{{id}}", it.record, methods=["GET", "PATCH", "DELETE"]),
            *(
                Route(f"{api}/analytics/{name}", it.statistics(name))
                for name in ("summary", "categories", "sources", "timeseries", "top", "distribution")
            ),
            Route(f"{api}/anomalies", it.list_anomalies),
            Route(f"{api}/anomalies/try", it.try_sensitivity, methods=["POST"]),
            Route(f"{api}/sensitivity", it.sensitivity, methods=["GET", "PUT"]),
            Route(f"{api}/anomalies/{{id}}", it.judge, methods=["PATCH"]),
            *system.routes(api),
            Route(f"{api}/generator", it.generator),
            Route(f"{api}/generator/anomalies", it.inject, methods=["POST"]),
            WebSocketRoute(f"{api}/stream", it.live_stream),
        ]
    )


if __name__ == "__main__":
    uvicorn.run(create_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
