"""Imports that are broken off anywhere: they go on, and nothing is stored twice or by half."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from telltale_query.jobs import runner
from telltale_query.jobs.run import JobRun
from telltale_shared.testing import Access, eventually

from .conftest import Api
from .imported import HEADER, START, check_derived, imported, records, row, rows, send, staged, work

pytestmark = pytest.mark.anyio

FILE = HEADER + "".join(row(200 - n, n % 13, source=f"s-{n % 3}") for n in range(120))
REPLACING = (
    HEADER + "".join(row(200 - n, -1 - n, source=f"s-{n % 3}") for n in range(0, 120, 5)) + row(300, 1, source="t")
)
MEMORY_MIB = 200


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several of everything in a small file, and no waiting between two attempts."""
    for name, value in (("PARSED_AT_ONCE", 20), ("RUN_ROWS", 40), ("STAGED_ROWS", 15), ("CHUNK_ROWS", 25)):
        monkeypatch.setattr(f"telltale_query.imports.checking.{name}", value)
    for name, value in (("RESTORED_AT_ONCE", 10), ("REMOVED_AT_ONCE", 30)):
        monkeypatch.setattr(f"telltale_query.imports.undoing.{name}", value)
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.0)


class Crashes:
    """Breaks off a job at the n-th step, before or after its transaction commits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 0
        self.seen = 0
        for place, name in (
            ("telltale_query.jobs.run.JobRun", "hold"),
            ("telltale_query.jobs.run.JobRun", "progress"),
            ("telltale_query.jobs.run.JobRun", "checkpoint"),
            ("telltale_query.jobs.pace.Pace", "rest"),
        ):
            self._count(monkeypatch, f"{place}.{name}")

    def _count(self, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        module, _, method = place.rpartition(".")
        kind = getattr(sys.modules[module.rpartition(".")[0]], module.rpartition(".")[2])
        original = getattr(kind, method)

        async def counted(this: Any, *arguments: Any, **named: Any) -> Any:
            result = await original(this, *arguments, **named)
            self.seen += 1
            if self.seen == self.at:
                raise OSError("the process has died")
            return result

        monkeypatch.setattr(kind, method, counted)

    def begin(self, at: int) -> None:
        """Break off at the n-th step from now on."""
        self.at, self.seen = at, 0


async def test_broken_off_at_every_step_it_ends_the_same(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    crashes = Crashes(monkeypatch)
    expected: Any = None
    step = 0
    while True:
        await api.empty()
        crashes.begin(0)
        await imported(api, FILE)
        before = [one[:6] for one in await records(api)]
        crashes.begin(step)
        one = await imported(api, REPLACING, on_conflict="replace")
        assert one["state"] == "applied"
        outcome = (one["rows"], [found[:6] for found in await records(api)])
        expected = expected or outcome
        assert outcome == expected, f"broken off at step {step}"
        assert await staged(api) == 0
        if step % 5 == 0:
            await check_derived(api)
        crashes.begin(step)
        assert (await api.call("DELETE", f"/imports/{one['id']}")).status_code == 202
        await work(api)
        after = await api.get(f"/imports/{one['id']}")
        assert (after["state"], after["rows"]["restored"], after["rows"]["undone"]) == ("undone", 24, 1)
        assert [found[:6] for found in await records(api)] == before
        if step % 5 == 0:
            await check_derived(api)
        if step > crashes.seen and step > 20:
            break
        # Every step at the beginning and some later on: there are many of the same kind.
        step += 1 if step < 12 else 3
    assert (outcome[0]["stored"], outcome[0]["replaced"]) == (1, 24)


async def test_a_worker_that_was_overtaken_changes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = JobRun.progress
    answer = await send(api, FILE)

    async def lose(self: JobRun, **values: Any) -> None:
        if self.phase == "applying" and values.get("connection") is not None:
            await api.run("UPDATE jobs SET lease_owner = 'another'")
        await progress(self, **values)

    monkeypatch.setattr(JobRun, "progress", lose)
    await work(api)
    assert await records(api) == []
    monkeypatch.setattr(JobRun, "progress", progress)
    await api.run("UPDATE jobs SET lease_until = UTC_TIMESTAMP(6)")
    await work(api)
    assert (await api.get(f"/imports/{answer.json()['id']}"))["rows"]["stored"] == 120


# --- real processes


@pytest.fixture
def start_jobs(migrated: Access, own_broker: Access, free_port: int) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts ``python -m telltale_query.jobs`` over the tests' database."""
    started: list[subprocess.Popen[bytes]] = []
    environment = {
        **os.environ,
        "QUERY_DATABASE_URL": migrated.url,
        "QUERY_DATABASE_PASSWORD": migrated.password,
        "AMQP_URL": own_broker.url,
        "AMQP_PASSWORD": own_broker.password,
        "QUERY_JOBS_PORT": str(free_port),
    }

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-m", "telltale_query.jobs"], env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(timeout=10)


def peak_mib(process: "subprocess.Popen[bytes]") -> float:
    """The most memory that a process has had in RAM."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def large_file(count: int) -> str:
    """Rows of 50 series, ten a second, and some notes."""
    begin = int(START.timestamp()) - count // 10
    lines = [HEADER]
    for n in range(count):
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(begin + n // 10 - 86_400))
        lines.append(f"s-{n % 50},temp,{second}.{n % 10}Z,{n % 997 / 10},°C,{'seen' if n % 1_000 == 0 else ''}\r\n")
    return "".join(lines)


@pytest.mark.timeout(300)  # five processes are started one after another
async def test_killed_again_and_again_a_large_import_ends_whole_in_bounded_memory(
    api: Api, start_jobs: Callable[[], subprocess.Popen[bytes]]
) -> None:
    count = 300_000
    answer = await send(api, large_file(count))
    assert answer.status_code == 202
    import_id = answer.json()["id"]
    killed_in = []
    peak = 0.0

    for phase in ("checking", "sorting", "applying", "applying"):
        process = start_jobs()
        begun = await job_row(api)

        async def is_in(phase: str = phase, begun: Any = begun) -> bool:
            now = await job_row(api)
            return bool(now[0] == phase and now[1] > 0 and now != begun) or now[2] == "done"

        await eventually(is_in, 60, interval=0.005)
        peak = max(peak, peak_mib(process))
        process.kill()
        process.wait(timeout=10)
        killed_in.append((await job_row(api))[0])
        await api.run("UPDATE jobs SET lease_until = UTC_TIMESTAMP(6) WHERE state = 'running'")
    process = start_jobs()

    async def is_done() -> bool:
        return bool((await job_row(api))[2] == "done")

    await eventually(is_done, 90)
    peak = max(peak, peak_mib(process))
    assert set(killed_in) >= {"checking", "applying"}
    one = await api.get(f"/imports/{import_id}")
    assert (one["state"], one["rows"]["stored"], one["rows"]["bad"]) == ("applied", count, 0)
    ((stored, distinct, notes),) = await rows(
        api, "SELECT COUNT(*), COUNT(DISTINCT series_id, observed_at), COUNT(note) FROM records"
    )
    assert (stored, distinct, notes) == (count, count, 300)
    ((counted,),) = await rows(api, "SELECT SUM(`count`) FROM rollups_day")
    assert counted == count
    assert peak < MEMORY_MIB


async def job_row(api: Api) -> tuple[Any, ...]:
    """Phase, rows done and state of the only job."""
    (found,) = await rows(api, "SELECT phase, rows_done, state FROM jobs")
    return found
