"""A file made by the jobs process, over the real stack: also when that process dies in the middle of it."""

import hashlib
import io
import time
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
from tests.conftest import Stack
from tests.test_imports import PATIENCE, generated, in_state, send, wait

ROWS = 60_000


def wait_for_export(query: httpx.Client, export_id: int, *, rows: int = 0, state: str | None = None) -> Any:
    """The export once it has written ``rows``, or once it is in ``state``."""
    deadline = time.monotonic() + PATIENCE
    while True:
        one = query.get(f"/exports/{export_id}").json()
        if one["state"] == state or (state is None and one["rows_done"] >= rows):
            return one
        assert one["state"] in ("queued", "running"), one
        assert time.monotonic() < deadline, one
        time.sleep(0.02)


@pytest.mark.timeout(300)
def test_an_export_is_whole_when_its_process_is_killed(stack: Stack, tmp_path: Path) -> None:
    path = generated(tmp_path, "--rows", str(ROWS), "--series", "40", "--interval", "1", "--seed", "3", days_ago=70)
    with stack.client("query", "user") as query:
        import_id = send(query, path)
        wait(query, import_id, in_state("applied"))
        asked: dict[str, Any] = {"format": "xlsx", "import_id": import_id, "sort": "observed_at"}
        begun = query.post("/exports", params=asked)
        assert begun.status_code == 202, begun.text
        export_id = begun.json()["id"]
        wait_for_export(query, export_id, rows=1)
        stack.kill("jobs")
        done = wait_for_export(query, export_id, state="done")
        assert done["rows_done"] == ROWS
        file = query.get(f"/exports/{export_id}/file", timeout=60)
        assert len(file.content) == int(file.headers["content-length"]) == done["bytes"]
        assert hashlib.sha256(file.content).hexdigest() == done["sha256"]
        lines = query.get("/records/export", params={**asked, "format": "csv"}, timeout=60).content.split(b"\r\n", 1)[1]
        book = openpyxl.load_workbook(io.BytesIO(file.content), read_only=True)
        said = dict(book["Manifest"].iter_rows(values_only=True))
        assert (said["Rows"], said["Import"]) == (ROWS, import_id)
        assert said["SHA-256"] == hashlib.sha256(lines).hexdigest()
        assert sum(1 for _ in book["Records"].iter_rows()) == ROWS + 1
        assert query.delete(f"/exports/{export_id}").status_code == 204
        assert query.get(f"/exports/{export_id}").status_code == 404
