"""Jobs: who may see them, and that each is done once and to its end, whatever happens to the process that does it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from telltale_query.jobs import runner
from telltale_query.jobs.files import PIECE_BYTES, forget_file, read_pieces, write_piece
from telltale_query.jobs.housekeeping import Housekeeping
from telltale_query.jobs.pace import Pace
from telltale_query.jobs.repository import LeaseLost, claim_job, create_job, renew_lease
from telltale_query.jobs.run import Cancelled, JobFailed, JobRun, Kind, Rate
from telltale_query.jobs.runner import Runner
from telltale_query.jobs.schemas import JobState
from telltale_shared.database import in_transaction
from telltale_shared.security import Role
from telltale_shared.store.audit import Actor
from telltale_shared.store.backlogs import note_backlog, readings_wait
from telltale_shared.store.schema import job_files, jobs
from telltale_shared.testing import Access, eventually

from .conftest import Api

pytestmark = pytest.mark.anyio

ME = Actor("7", "Demo", "request-1")
SOMEBODY_ELSE = Actor("8", "Other", None)


async def ask(api: Api, parameters: dict[str, Any] | None = None, *, actor: Actor = ME, kind: str = "count") -> int:
    return await in_transaction(api.engine, partial(create_job, actor=actor, kind=kind, parameters=parameters or {}))


async def row(api: Api, job_id: int) -> Any:
    async with api.engine.connect() as connection:
        return (await connection.execute(select(jobs).where(jobs.c.id == job_id))).one()


# --- in this process ---


async def nothing(_: JobRun) -> None:
    return None


async def test_a_job_is_done_and_says_what_came_of_it(api: Api) -> None:
    async def handler(run: JobRun) -> dict[str, Any]:
        assert (run.job.actor, run.job.parameters, run.cancelled) == (ME, {"much": 3}, False)
        await run.progress(phase="first", rows_done=2)
        await run.progress(phase="second", rows_done=3, rows_total=3)
        return {"rows": 3}

    job_id = await ask(api, {"much": 3})
    waiting = await api.get(f"/jobs/{job_id}")
    assert (waiting["state"], waiting["created_by"], waiting["started_at"]) == ("queued", "Demo", None)
    worker = Runner(api.engine, {"count": Kind(handler)})
    assert await worker.work_once(heavy=True)
    assert not await worker.work_once(heavy=True)
    done = await api.get(f"/jobs/{job_id}")
    assert (done["state"], done["phase"], done["rows_done"], done["rows_total"]) == ("done", "second", 3, 3)
    assert done["result"] == {"rows": 3}
    assert done["rate"] > 0
    assert done["finished_at"] >= done["started_at"] >= done["created_at"]


async def test_lanes_take_their_own_kinds(api: Api) -> None:
    worker = Runner(api.engine, {"long": Kind(nothing), "short": Kind(nothing, heavy=False)})
    await ask(api, kind="long")
    await ask(api, kind="unknown to this version")
    assert not await worker.work_once(heavy=False)
    await ask(api, kind="short")
    assert await worker.work_once(heavy=False)
    assert await worker.work_once(heavy=True)
    assert not await worker.work_once(heavy=True)


async def test_a_failure_is_told_and_its_owner_notified(api: Api) -> None:
    ended: list[tuple[JobState, str | None]] = []

    async def handler(_: JobRun) -> None:
        raise JobFailed("line 3 is a poem: send readings")

    async def on_end(connection: Any, claim: Any, state: JobState, problem: str | None) -> None:
        assert (await connection.execute(select(jobs.c.state).where(jobs.c.id == claim.id))).scalar_one() == state
        ended.append((state, problem))

    job_id = await ask(api)
    await Runner(api.engine, {"count": Kind(handler, on_end=on_end)}).work_once(heavy=True)
    failed = await api.get(f"/jobs/{job_id}")
    assert (failed["state"], failed["problem"]) == ("failed", "line 3 is a poem: send readings")
    assert ended == [(JobState.FAILED, "line 3 is a poem: send readings")]


async def test_a_fault_of_ours_names_the_job_and_not_the_code(api: Api) -> None:
    async def handler(_: JobRun) -> None:
        raise ZeroDivisionError("secret detail")

    job_id = await ask(api)
    await Runner(api.engine, {"count": Kind(handler)}).work_once(heavy=True)
    failed = await api.get(f"/jobs/{job_id}")
    assert failed["state"] == "failed"
    assert f"job {job_id}" in failed["problem"]
    assert "secret" not in failed["problem"]


async def test_a_passing_failure_is_tried_again_but_not_for_ever(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.0)
    attempts = []

    async def handler(run: JobRun) -> None:
        attempts.append(run.job.attempts)
        raise OperationalError("step", {}, Exception(1205, "Lock wait timeout exceeded"))

    job_id = await ask(api)
    worker = Runner(api.engine, {"count": Kind(handler)})
    while await worker.work_once(heavy=True):
        assert len(attempts) <= runner.ATTEMPTS
    assert attempts == list(range(1, runner.ATTEMPTS + 1))
    failed = await api.get(f"/jobs/{job_id}")
    assert failed["state"] == "failed"
    assert "interrupted 10 times" in failed["problem"]


async def test_a_passing_failure_waits_before_the_next_attempt(api: Api) -> None:
    async def handler(_: JobRun) -> None:
        raise OSError("connection reset")

    job_id = await ask(api)
    worker = Runner(api.engine, {"count": Kind(handler)})
    assert await worker.work_once(heavy=True)
    assert not await worker.work_once(heavy=True)
    assert (await api.get(f"/jobs/{job_id}"))["state"] == "queued"


async def test_a_lost_lease_commits_nothing(api: Api) -> None:
    async def handler(run: JobRun) -> None:
        await api.run("UPDATE jobs SET lease_owner = 'another worker'")

        async def step(connection: Any) -> None:
            await write_piece(connection, run.job.id, 0, b"half")
            await run.progress(rows_done=1, connection=connection)

        await in_transaction(api.engine, step)

    job_id = await ask(api)
    await Runner(api.engine, {"count": Kind(handler)}).work_once(heavy=True)
    assert [piece async for piece in read_pieces(api.engine, job_id)] == []
    assert (await row(api, job_id)).state == "running"


async def test_a_lease_that_ran_out_is_taken_over(api: Api) -> None:
    job_id = await ask(api)
    take = partial(claim_job, kinds=["count"], lease_seconds=30)
    first = await in_transaction(api.engine, partial(take, owner="first"))
    assert first is not None
    assert await in_transaction(api.engine, partial(take, owner="second")) is None
    await api.run("UPDATE jobs SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
    second = await in_transaction(api.engine, partial(take, owner="second"))
    assert second is not None
    assert (second.id, second.attempts) == (job_id, 2)
    with pytest.raises(LeaseLost):
        await in_transaction(api.engine, partial(renew_lease, claim=first, lease_seconds=30))


async def test_two_workers_never_take_the_same_job(api: Api) -> None:
    ids = {await ask(api) for _ in range(2)}
    take = partial(claim_job, kinds=["count"], lease_seconds=30)
    async with api.engine.begin() as one, api.engine.begin() as two:
        claims = [await take(one, owner="one"), await take(two, owner="two")]
    assert {claim.id for claim in claims if claim is not None} == ids


def test_the_rate_is_of_late() -> None:
    rate = Rate()
    for second in range(20):
        rate.add(second, second * 1_000)
    assert rate.value == pytest.approx(1_000)
    for second in range(20, 40):
        rate.add(second, 19_000 + (second - 19) * 10)
    assert rate.value == pytest.approx(10, rel=0.1)


# --- cancelling, and who may ---


async def test_cancelling_a_waiting_and_a_running_job(api: Api) -> None:
    seen: list[bool] = []

    async def handler(run: JobRun) -> None:
        if run.job.parameters.get("itself"):
            assert (await api.call("POST", f"/jobs/{run.job.id}/cancel", role=Role.USER)).status_code == 202
            await run.renew()
        seen.append(run.cancelled)
        with pytest.raises(Cancelled):
            await run.checkpoint()
        raise Cancelled

    worker = Runner(api.engine, {"count": Kind(handler)})
    waiting, running = await ask(api), await ask(api, {"itself": True})
    answer = await api.call("POST", f"/jobs/{waiting}/cancel", role=Role.USER)
    assert answer.status_code == 202
    assert answer.json()["cancel_requested"]
    # The light lane ends what was given up, so that this need not wait for a heavy job to end.
    assert await worker.work_once(heavy=False)
    assert await worker.work_once(heavy=True)
    assert seen == [True, True]
    for job_id in (waiting, running):
        assert (await api.get(f"/jobs/{job_id}"))["state"] == "cancelled"
        assert (await api.call("POST", f"/jobs/{job_id}/cancel")).status_code == 409


async def test_jobs_are_seen_by_their_owner_and_administrators(api: Api) -> None:
    mine, other = await ask(api), await ask(api, actor=SOMEBODY_ELSE, kind="export")
    assert [job["id"] for job in (await api.get("/jobs", role=Role.USER))["items"]] == [mine]
    assert [job["id"] for job in (await api.get("/jobs"))["items"]] == [other, mine]
    assert [job["id"] for job in (await api.get("/jobs", {"kind": "export"}))["items"]] == [other]
    assert (await api.get("/jobs", {"state": "done"}))["items"] == []
    for method, path in (("GET", f"/jobs/{other}"), ("POST", f"/jobs/{other}/cancel")):
        assert (await api.call(method, path, role=Role.USER)).status_code == 404
    assert (await api.call("POST", f"/jobs/{other}/cancel")).status_code == 202
    assert (await api.call("GET", "/jobs/999999")).status_code == 404


async def test_jobs_are_paged(api: Api) -> None:
    ids = [await ask(api) for _ in range(5)]
    assert [job["id"] for job in await api.pages("/jobs", {}, limit=2)] == ids[::-1]


# --- files and forgetting ---


async def test_files_come_back_piece_by_piece_until_they_are_forgotten(api: Api) -> None:
    job_id = await ask(api)
    content = [bytes([n]) * PIECE_BYTES for n in range(20)]
    for piece, one in enumerate(content):
        await in_transaction(api.engine, partial(write_piece, job_id=job_id, piece=piece, content=one))
    assert [piece async for piece in read_pieces(api.engine, job_id)] == content
    await forget_file(api.engine, job_id)
    assert [piece async for piece in read_pieces(api.engine, job_id)] == []


async def test_outdated_files_and_jobs_are_forgotten(api: Api) -> None:
    names = ("waiting", "just ended", "ended yesterday", "ended last month")
    ids = {name: await ask(api) for name in names}
    ages = {"just ended": timedelta(hours=1), "ended yesterday": timedelta(hours=25), "ended last month": timedelta(40)}
    for name, age in ages.items():
        await api.run(
            "UPDATE jobs SET state = 'done', finished_at = UTC_TIMESTAMP(6) - INTERVAL :hours HOUR WHERE id = :id",
            {"hours": age.total_seconds() / 3_600, "id": ids[name]},
        )
    orphan = 10**12
    for job_id in (*ids.values(), orphan):
        await in_transaction(api.engine, partial(write_piece, job_id=job_id, piece=0, content=b"x"))
    await Housekeeping(api.engine, file_hours=24, job_days=30).forget()
    async with api.engine.connect() as connection:
        files = set((await connection.execute(select(job_files.c.job_id))).scalars())
        left = set((await connection.execute(select(jobs.c.id))).scalars())
    assert files == {ids["waiting"], ids["just ended"]}
    assert left == {*ids.values()} - {ids["ended last month"]}


# --- processes that die ---


@pytest.fixture
def start_worker(migrated: Access) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "DATABASE_URL": migrated.url, "DATABASE_PASSWORD": migrated.password}

    def start() -> subprocess.Popen[bytes]:
        script = Path(__file__).parent / "job_worker.py"
        started.append(subprocess.Popen([sys.executable, str(script)], env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(timeout=10)


async def writers(api: Api, job_id: int) -> list[int]:
    """The pid that wrote each piece."""
    return [int(piece) async for piece in read_pieces(api.engine, job_id)]


async def test_a_killed_worker_is_followed_by_another(
    api: Api, start_worker: Callable[[], subprocess.Popen[bytes]]
) -> None:
    job_id = await ask(api, {"rows": 60, "seconds": 0.02})
    first = start_worker()

    async def some() -> bool:
        return len(await writers(api, job_id)) >= 5

    await eventually(some, 20)
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=10)
    # The lease has to run out: not 15 s in a test.
    await api.run("UPDATE jobs SET lease_until = UTC_TIMESTAMP(6) WHERE state = 'running'")
    second = start_worker()

    async def done() -> bool:
        return bool((await row(api, job_id)).state == "done")

    await eventually(done, 30)
    by = await writers(api, job_id)
    assert len(by) == 60
    assert set(by) == {first.pid, second.pid}
    assert (await row(api, job_id)).attempts == 2


async def test_a_stopped_worker_hands_its_lease_back_at_once(
    api: Api, start_worker: Callable[[], subprocess.Popen[bytes]]
) -> None:
    job_id = await ask(api, {"rows": 1_000, "seconds": 0.02})
    worker = start_worker()

    async def some() -> bool:
        return len(await writers(api, job_id)) >= 3

    await eventually(some, 20)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=10) == 0
    left = await row(api, job_id)
    assert (left.state, left.attempts) == ("queued", 0)
    async with api.engine.connect() as connection:
        free = await connection.execute(
            text("SELECT lease_until <= UTC_TIMESTAMP(6) FROM jobs WHERE id = :id"), {"id": job_id}
        )
        assert free.scalar_one()


# --- giving way


@pytest.mark.parametrize("waiting", [True, False])
async def test_jobs_rest_while_readings_wait(*, waiting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    looks = 0

    async def look() -> bool:
        nonlocal looks
        looks += 1
        return waiting

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("telltale_query.jobs.pace.asyncio.sleep", sleep)
    resting = Pace(look)
    for _ in range(3):
        await resting.rest(0.1)
    await resting.rest(100.0)
    assert slept == ([pytest.approx(0.4)] * 3 + [5.0] if waiting else [])
    # Looking costs a round trip, so that one look counts for several short steps.
    assert looks == 1
    await Pace().rest(0.1)


async def test_a_backlog_counts_for_some_seconds_after_a_writer_has_noted_it(api: Api) -> None:
    assert not await in_transaction(api.engine, readings_wait)
    await in_transaction(api.engine, partial(note_backlog, store_partition=3))
    assert await in_transaction(api.engine, readings_wait)
    async with api.engine.begin() as connection:
        await connection.execute(text("UPDATE backlogs SET seen_at = seen_at - INTERVAL 6 SECOND"))
    assert not await in_transaction(api.engine, readings_wait)
