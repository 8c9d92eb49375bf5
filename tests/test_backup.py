"""A backup of a running stack, restored into an empty one: the same readings, rollups and ledger, and it goes on."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import ROOT, Stack

TABLES = (
    "records", "rollups_minute", "rollups_hour", "rollups_day", "sketches_minute", "producers", "producer_days",
    "deliveries", "dead_letters", "series",
)  # fmt: skip


def stored(query: httpx.Client) -> int:
    return int(query.get("/ledger").raise_for_status().json()["totals"]["stored"])


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.2)


@pytest.fixture
def other() -> Iterator[Stack]:
    """A folder and ports for a second stack."""
    folder = ROOT / ".run" / "restored"
    stack = Stack(folder)
    stack.control("down")
    shutil.rmtree(folder, ignore_errors=True)
    yield stack
    stack.control("down")


def sql(stack: Stack, statement: str) -> str:
    """What the stack's own client answers as root."""
    described = json.loads((stack.folder / "servers.json").read_text())
    command = [*described["mariadb_client"], "--batch", "--skip-column-names", f"--execute={statement}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def checksums(stack: Stack) -> str:
    return sql(stack, f"CHECKSUM TABLE {', '.join(f'telltale.{name}' for name in TABLES)}")


@pytest.mark.timeout(900)  # two whole stacks
def test_a_backup_of_a_running_stack_comes_back_in_an_empty_one(stack: Stack, other: Stack, tmp_path: Path) -> None:
    with stack.client("query") as query:
        wait_until(lambda: stored(query) > 100)
        beside, still = tmp_path / "beside.backup", tmp_path / "still.backup"
        said = stack.control("backup", str(beside))  # while readings come in: one moment of all tables
        assert "telltale_auth" in said
        whole = query.get("/ledger").raise_for_status().json()["totals"]
    stack.control("servers-up")  # writes how to reach the database as root
    stack.stop("generator", "generator-host", "writer", "query", "auth", "detector", "jobs")
    try:
        stack.control("backup", str(still))
        expected = checksums(stack)
    finally:
        stack.start("auth", "writer", "query", "jobs", "detector", "generator", "generator-host")
    assert "0 missing" in other.control("restore", str(beside))
    with pytest.raises(RuntimeError, match="holds data"):
        other.control("restore", str(still))
    restored = other.control("restore", str(still), "--replace")
    assert "does not add up" not in restored
    other.control("servers-up")
    assert checksums(other) == expected
    assert int(sql(other, "SELECT SUM(stored) FROM telltale.producers")) >= whole["stored"]
    other.control("up", "--group", "dev")
    with other.client("query") as query:
        line = query.get("/ledger").raise_for_status().json()["totals"]
        assert (line["missing"], line["repeated"]) == (0, whole["repeated"])
        wait_until(lambda: stored(query) > line["stored"])
