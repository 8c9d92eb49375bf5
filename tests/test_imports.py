"""A file's way through the whole system: sent, checked, stored, seen, exported, undone; also when processes die."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import ROOT, Stack

SAMPLE_ROWS = 3_072
PATIENCE = 60.0


def generated(folder: Path, *arguments: str, days_ago: int) -> Path:
    """A file as sample_data/generate.py writes it, up to some midnight: each test has days of its own."""
    path = folder / "rows.csv"
    end = (datetime.now(UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%dT00:00:00Z")
    subprocess.run(
        [sys.executable, str(ROOT / "sample_data/generate.py"), "--output", str(path), "--end", end, *arguments],
        check=True,
    )
    return path


def send(query: httpx.Client, path: Path) -> int:
    with path.open("rb") as file:
        answer = query.post("/imports", files={"file": (path.name, file, "text/csv")}, timeout=60)
    assert answer.status_code == 202, answer.text
    return int(answer.json()["id"])


def wait(query: httpx.Client, import_id: int, until: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while True:
        one = query.get(f"/imports/{import_id}").json()
        if until(one):
            return one
        assert time.monotonic() < deadline, one
        time.sleep(0.02)


def in_state(state: str) -> Callable[[Any], bool]:
    return lambda one: bool(one["state"] == state)


@pytest.mark.timeout(300)
def test_the_sample_is_imported_seen_exported_and_undone(stack: Stack, tmp_path: Path) -> None:
    path = generated(tmp_path, days_ago=50)
    with stack.client("query", "user") as query:
        import_id = send(query, path)
        applied = wait(query, import_id, in_state("applied"))
        assert applied["rows"]["stored"] == SAMPLE_ROWS
        ended = (datetime.now(UTC) - timedelta(days=49)).isoformat()
        chosen: dict[str, Any] = {
            "source": ["greenhouse-1", "cold-store-1", "well-1", "kiln-1"],
            "to": ended,
            "import_id": import_id,
        }
        summary = query.get("/analytics/summary", params=chosen).json()
        assert summary["count"] == SAMPLE_ROWS
        exported = query.get("/records/export", params={**chosen, "format": "csv", "sort": "observed_at"})
        assert exported.text.count("\r\n") == SAMPLE_ROWS + 1
        again = tmp_path / "again.csv"
        again.write_bytes(exported.content)
        repeated = wait(query, send(query, again), in_state("applied"))
        assert (repeated["rows"]["stored"], repeated["rows"]["repeated"]) == (0, SAMPLE_ROWS)
        assert query.delete(f"/imports/{import_id}").status_code == 202
        undone = wait(query, import_id, in_state("undone"))
        assert undone["rows"]["undone"] == SAMPLE_ROWS
        assert query.get("/analytics/summary", params=chosen).json()["count"] == 0


@pytest.mark.timeout(300)
def test_an_import_goes_on_when_its_processes_are_killed(stack: Stack, tmp_path: Path) -> None:
    rows = 100_000
    path = generated(tmp_path, "--rows", str(rows), "--series", "40", "--interval", "1", "--seed", "2", days_ago=60)
    with stack.client("query", "user") as query:
        import_id = send(query, path)
        wait(query, import_id, lambda one: one["job"]["phase"] in ("checking", "sorting", "applying"))
        stack.kill("jobs")
        wait(query, import_id, lambda one: one["rows"]["stored"] > 0)
        stack.kill("jobs", "writer")
        applied = wait(query, import_id, in_state("applied"))
        assert applied["rows"]["stored"] == rows
