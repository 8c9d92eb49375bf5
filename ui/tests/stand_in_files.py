"""The stand-in's imports, exports, bulk deletions and the jobs behind them: real CSV, pretended time."""

import csv
import io
import time
from collections.abc import Callable
from typing import Any

import stand_in_replies as replies
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

COLUMNS = ("source", "category", "observed_at", "value", "unit", "note")
KEPT_BYTES = 1_000_000
"""So much of an uploaded file is looked at; the rest is only counted."""
Answer = Callable[..., JSONResponse]


class Job:
    """Work that takes ``seconds`` of real time."""

    def __init__(self, number: int, kind: str, rows: int, seconds: float) -> None:
        self.number, self.kind, self.rows, self.seconds = number, kind, rows, seconds
        self.result: dict[str, Any] | None = None
        self.began = time.monotonic()
        self.at = replies.iso(replies.now_us())
        self.cancelled = False

    @property
    def share(self) -> float:
        return min(1.0, (time.monotonic() - self.began) / self.seconds)

    @property
    def state(self) -> str:
        if self.cancelled:
            return "cancelled"
        return "done" if self.share >= 1 else "running"

    def json(self) -> dict[str, Any]:
        running = self.state == "running"
        return {
            "id": str(self.number),
            "kind": self.kind,
            "state": self.state,
            "phase": None,
            "rows_done": int(self.rows * self.share),
            "rows_total": self.rows,
            "rate": self.rows / self.seconds if running else None,
            "problem": None,
            "result": None if running else self.result,
            "created_by": "Demo user",
            "created_at": self.at,
            "started_at": self.at,
            "finished_at": None if running else self.at,
        }


class Import:
    """A file that was sent, and what became of it."""

    def __init__(self, number: int, name: str, head: bytes, size: int, options: dict[str, str]) -> None:
        self.number, self.name, self.size, self.options = number, name, size, options
        self.at = replies.iso(replies.now_us())
        rows = list(csv.DictReader(io.StringIO(head.decode("utf-8", "replace"))))
        self.errors = [
            {"line": line, "column": "value", "value": row.get("value") or "", "reason": "must be a number"}
            for line, row in enumerate(rows, start=2)
            if not _is_number(row.get("value"))
        ]
        self.read, self.bad = len(rows), len(self.errors)
        self.job = Job(number, "import", self.read, 1.0)
        self.stage = "checking"

    @property
    def state(self) -> str:
        if self.job.state == "cancelled":
            return "cancelled"
        if self.job.state == "running":
            return self.stage
        if self.stage == "checking":
            if self.bad and self.options.get("on_error") != "skip":
                return "rejected"
            if self.options.get("dry_run") == "true":
                return "checked"
            self.next("applying")
            return "applying"
        return {"applying": "applied", "undoing": "undone"}[self.stage]

    def next(self, stage: str) -> None:
        self.stage, self.job = stage, Job(self.number, "import", self.read, 0.6)

    def json(self) -> dict[str, Any]:
        state = self.state
        good = self.read - self.bad
        stored = good if state in ("applied", "undoing", "undone") else 0
        rows = {"read": self.read, "good": good, "bad": self.bad, "stored": stored, "repeated": 0, "kept": 0}
        undone = stored if state == "undone" else 0
        return {
            "id": str(self.number),
            "state": state,
            "file_name": self.name,
            "file_bytes": self.size,
            "options": self.options,
            "rows": {**rows, "replaced": 0, "undone": undone, "restored": 0, "left": 0},
            "job": self.job.json(),
            "created_by": "Demo user",
            "created_at": self.at,
            "finished_at": None,
            "undone_at": None,
            "undone_by": None,
            "can_undo": state == "applied",
        }


def _is_number(text: str | None) -> bool:
    try:
        float(text or "")
    except ValueError:
        return False
    return True


def _head_of(body: bytes) -> tuple[str, bytes]:
    """File name and beginning of the content of a multipart body with one file."""
    head, _, content = body.partition(b"\r\n\r\n")
    name = head.decode().split('filename="')[1].split('"')[0]
    boundary = head.split(b"\r\n")[0]
    return name, content.split(b"\r\n" + boundary)[0]


class Files:
    """The endpoints; ``problem`` and ``listing`` are the stand-in's way to answer."""

    def __init__(self, problem: Answer, listing: Answer) -> None:
        self._problem, self._listing = problem, listing
        self.imports: list[Import] = []
        self.exports: list[tuple[Job, str]] = []
        self.jobs: dict[str, Job] = {}
        self.count = 1_234

    # --- imports

    async def template(self, request: Request) -> Response:
        return Response(",".join(COLUMNS) + "\r\n", media_type="text/csv")

    async def preview(self, request: Request) -> Response:
        _, head = _head_of(await request.body())
        rows = list(csv.reader(io.StringIO(head.decode("utf-8", "replace"))))
        header = rows[0] if rows else []
        mapping = {column: column if column in header else None for column in COLUMNS}
        return JSONResponse({"delimiter": ",", "header": header, "mapping": mapping, "rows": rows[1:6], "problems": []})

    async def create_import(self, request: Request) -> Response:
        kept, size = b"", 0
        async for piece in request.stream():
            size += len(piece)
            kept += piece[: max(0, KEPT_BYTES - len(kept))]
        name, head = _head_of(kept)
        if name == "huge.csv":
            return self._problem(413, "File too large", "a file may have at most 1 MB")
        one = Import(len(self.imports) + 1, name, head, size, dict(request.query_params))
        self.imports.append(one)
        return JSONResponse(one.json(), 202)

    async def list_imports(self, request: Request) -> Response:
        return self._listing([one.json() for one in reversed(self.imports)])

    def _find(self, request: Request) -> Import | None:
        return next((one for one in self.imports if str(one.number) == request.path_params["id"]), None)

    async def one_import(self, request: Request) -> Response:
        one = self._find(request)
        if one is None:
            return self._problem(404, "Not found", "there is no such import")
        if request.method == "DELETE":
            one.next("undoing")
        elif request.method == "POST":
            one.next("applying")
        return JSONResponse(one.json(), 200 if request.method == "GET" else 202)

    async def errors(self, request: Request) -> Response:
        one = self._find(request)
        if one is None:
            return self._problem(404, "Not found", "there is no such import")
        if request.query_params.get("format") != "csv":
            return self._listing(one.errors)
        lines = ["line,column,value,reason", *(",".join(str(v) for v in error.values()) for error in one.errors)]
        return Response("\r\n".join(lines), media_type="text/csv")

    # --- exports

    def _export(self, job: Job, kind: str) -> dict[str, Any]:
        body = job.json()
        done = job.state == "done"
        return {
            **{name: body[name] for name in ("id", "state", "rows_done", "rows_total", "rate", "created_by")},
            "format": kind,
            "file_name": f"records-{job.number}.{kind}",
            "bytes": 12_345_678 if done else None,
            "sha256": "0" * 64 if done else None,
            "created_at": job.at,
            "finished_at": body["finished_at"],
            "expires_at": replies.iso(replies.now_us() + 86_000_000_000) if done else None,
            "problem": None,
        }

    async def create_export(self, request: Request) -> Response:
        job = Job(len(self.exports) + 1, "export", 1_234_567, 1.5)
        self.exports.append((job, request.query_params["format"]))
        return JSONResponse(self._export(*self.exports[-1]), 202)

    async def list_exports(self, request: Request) -> Response:
        return self._listing([self._export(*one) for one in reversed(self.exports)])

    async def one_export(self, request: Request) -> Response:
        self.exports = [one for one in self.exports if str(one[0].number) != request.path_params["id"]]
        return Response(status_code=204)

    async def export_file(self, request: Request) -> Response:
        name = f"records-{request.path_params['id']}.csv"
        return Response("made before\r\n", headers={"content-disposition": f'attachment; filename="{name}"'})

    # --- bulk deletion and jobs

    async def preview_deletion(self, request: Request) -> Response:
        asked = await request.json()
        exact = not {"min_value", "max_value"} & asked.keys()
        return JSONResponse({"count": self.count, "count_is_exact": exact, "filter": asked})

    async def delete_records(self, request: Request) -> Response:
        body = await request.json()
        if body["expected_count"] != self.count:
            return self._problem(409, "Conflict", f"these are {self.count} records by now")
        return JSONResponse(self.start("record_deletion", self.count), 202)

    def start(self, kind: str, rows: int, result: dict[str, Any] | None = None) -> dict[str, Any]:
        """Begin a job that takes a second."""
        number = 1000 + len(self.jobs)
        job = self.jobs[str(number)] = Job(number, kind, rows, 1.0)
        job.result = result
        return job.json()

    async def one_job(self, request: Request) -> Response:
        number = request.path_params["id"]
        job = self.jobs.get(number) or next((one.job for one in self.imports if str(one.number) == number), None)
        if job is None:
            return self._problem(404, "Not found", "there is no such job")
        if request.method == "POST":
            job.cancelled = True
        return JSONResponse(job.json())

    def routes(self, api: str) -> list[Route]:
        return [
            Route(f"{api}/imports", self.list_imports, methods=["GET"]),
            Route(f"{api}/imports", self.create_import, methods=["POST"]),
            Route(f"{api}/imports/template", self.template),
            Route(f"{api}/imports/preview", self.preview, methods=["POST"]),
            Route(f"{api}/imports/{{id}}", self.one_import, methods=["GET", "DELETE"]),
            Route(f"{api}/imports/{{id}}/apply", self.one_import, methods=["POST"]),
            Route(f"{api}/imports/{{id}}/errors", self.errors),
            Route(f"{api}/exports", self.list_exports, methods=["GET"]),
            Route(f"{api}/exports", self.create_export, methods=["POST"]),
            Route(f"{api}/exports/{{id}}", self.one_export, methods=["DELETE"]),
            Route(f"{api}/exports/{{id}}/file", self.export_file),
            Route(f"{api}/records/deletions/preview", self.preview_deletion, methods=["POST"]),
            Route(f"{api}/records/deletions", self.delete_records, methods=["POST"]),
            Route(f"{api}/jobs/{{id}}", self.one_job, methods=["GET"]),
            Route(f"{api}/jobs/{{id}}/cancel", self.one_job, methods=["POST"]),
        ]
