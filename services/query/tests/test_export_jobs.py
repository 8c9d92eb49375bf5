"""Exports that are kept: files that are made while nobody waits, by the jobs process."""

import base64
import errno
import gc
import hashlib
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from telltale_query.exports import job, kept
from telltale_query.exports.job import ExportJob
from telltale_query.exports.schemas import KIND
from telltale_query.jobs.files import PIECE_BYTES, write_piece
from telltale_query.jobs.housekeeping import Housekeeping
from telltale_query.jobs.run import Kind
from telltale_query.jobs.runner import Runner
from telltale_shared.database import in_transaction
from telltale_shared.security import Role
from telltale_shared.store.schema import job_files

from .conftest import Api, now, rfc3339
from .exported import export, manifest, opened, parquet, table, work

pytestmark = pytest.mark.anyio


async def ask(api: Api, kind: str, role: Role = Role.VIEWER, **params: Any) -> dict[str, Any]:
    asked = await api.call("POST", "/exports", params={"format": kind, **params}, role=role)
    assert asked.status_code == 202, asked.text
    begun: dict[str, Any] = asked.json()
    assert asked.headers["location"] == f"/api/v1/exports/{begun['id']}"
    return begun


async def made(api: Api, kind: str, **params: Any) -> tuple[dict[str, Any], bytes]:
    """An export that is done, and its file."""
    begun = await ask(api, kind, **params)
    assert await work(api)
    done = await api.get(f"/exports/{begun['id']}", role=Role.VIEWER)
    assert done["state"] == "done", done
    answer = await api.call("GET", f"/exports/{begun['id']}/file", role=Role.VIEWER)
    assert answer.status_code == 200
    return done, answer.content


async def pieces(api: Api) -> int:
    async with api.engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(job_files))).scalar_one()


async def store(api: Api, rows: int) -> None:
    begin = now(hours=1)
    await api.store([("a", "temperature", begin + timedelta(seconds=n), n * 0.1) for n in range(rows)])


async def test_an_export_is_made_and_kept_and_deleted(api: Api) -> None:
    await store(api, 10)
    params: dict[str, Any] = {"source": "a", "sort": "-value", "from": rfc3339(now(hours=2))}
    begun = await ask(api, "xlsx", **params)
    assert (begun["state"], begun["format"], begun["bytes"], begun["expires_at"]) == ("queued", "xlsx", None, None)
    early = await api.call("GET", f"/exports/{begun['id']}/file", role=Role.VIEWER)
    assert early.status_code == 409
    assert "queued" in early.json()["detail"]

    assert await work(api)
    done = await api.get(f"/exports/{begun['id']}", role=Role.VIEWER)
    assert (done["state"], done["rows_done"], done["rows_total"], done["problem"]) == ("done", 10, 10, None)
    lasts = datetime.fromisoformat(done["expires_at"]) - datetime.fromisoformat(done["finished_at"])
    assert lasts == timedelta(hours=24)

    answer = await api.call("GET", f"/exports/{begun['id']}/file", role=Role.VIEWER)
    digest = hashlib.sha256(answer.content)
    assert answer.headers["content-length"] == str(len(answer.content)) == str(done["bytes"])
    assert done["sha256"] == digest.hexdigest()
    assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert answer.headers["content-disposition"] == f'attachment; filename="{done["file_name"]}"'
    assert answer.headers["content-type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    book = opened(answer.content)
    assert [row[3] for row in table(book["Records"])[1:]] == [n * 0.1 for n in reversed(range(10))]
    said = manifest(book["Manifest"])
    assert (said["Made by"], said["Sources"], said["Order"]) == ("Demo viewer", "a", "-value")
    assert said["From"] == params["from"]

    deleted = await api.call("DELETE", f"/exports/{begun['id']}", role=Role.VIEWER)
    assert deleted.status_code == 204
    assert (await api.call("GET", f"/exports/{begun['id']}", role=Role.VIEWER)).status_code == 404
    assert await pieces(api) == 0


@pytest.mark.parametrize("kind", ["csv", "parquet"])
async def test_a_kept_file_is_the_one_sent_at_once(api: Api, kind: str) -> None:
    await store(api, 50)
    _, content = await made(api, kind, sort="observed_at")
    direct = (await export(api, kind, sort="observed_at")).content
    if kind == "csv":
        assert content == direct
    else:
        assert parquet(content).read().equals(parquet(direct).read())


async def test_a_long_file_comes_in_pieces(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "PIECE_BYTES", 100)
    await store(api, 50)
    done, content = await made(api, "csv")
    assert content == (await export(api, "csv")).content
    assert await pieces(api) == -(-done["bytes"] // 100)
    assert PIECE_BYTES == 1 << 20


async def test_everybody_sees_their_own_and_an_administrator_all(api: Api) -> None:
    await store(api, 1)
    ids = [(await ask(api, "csv"))["id"] for _ in range(3)]
    await api.run("UPDATE jobs SET created_by = '8' WHERE id = :id", {"id": ids[1]})
    page = await api.get("/exports", {"limit": 1}, role=Role.VIEWER)
    assert page["total"] == 2
    listed = await api.pages("/exports", {}, limit=1)
    assert [one["id"] for one in listed] == [ids[2], ids[0]]
    for method, path in (("GET", ""), ("GET", "/file"), ("DELETE", "")):
        hidden = await api.call(method, f"/exports/{ids[1]}{path}", role=Role.USER)
        assert hidden.status_code == 404
    assert (await api.get(f"/exports/{ids[1]}"))["id"] == ids[1]
    # Another kind of job is no export.
    await api.run("UPDATE jobs SET kind = 'other' WHERE id = :id", {"id": ids[0]})
    assert (await api.call("GET", f"/exports/{ids[0]}")).status_code == 404


async def test_who_exported_what_is_in_the_audit_trail(api: Api) -> None:
    begun = await ask(api, "csv", source=["a", "b"], min_value=2)
    (entry,) = (await api.get("/audit"))["items"]
    assert (entry["action"], entry["target"], entry["outcome"]) == ("records.export", f"export {begun['id']}", "done")
    assert entry["actor"] == "Demo viewer"
    assert entry["after"] == {"format": "csv", "source": "a, b", "min_value": 2}


async def test_a_person_has_only_so_many(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT_AT_MOST", 2)
    monkeypatch.setattr(kept, "UNFINISHED_AT_MOST", 2)
    await store(api, 1)
    first, _ = [await ask(api, "csv") for _ in range(2)]
    refused = await api.call("POST", "/exports", params={"format": "csv"})
    assert refused.status_code == 409
    assert "2 exports of yours are not done yet" in refused.json()["detail"]
    while await work(api):
        pass
    refused = await api.call("POST", "/exports", params={"format": "csv"})
    assert "2 exported files of yours are kept: delete one" in refused.json()["detail"]
    await api.call("DELETE", f"/exports/{first['id']}")
    await ask(api, "csv")


async def test_too_many_records_are_refused_before_or_while_they_are_written(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.app.state.direct_exports.exporter, "max_rows", 10)
    await store(api, 12)
    refused = await api.call("POST", "/exports", params={"format": "csv"})
    assert refused.status_code == 422
    assert "these are 12 records" in refused.json()["detail"]
    # Nobody counts those of a filter by value beforehand.
    begun = await ask(api, "csv", min_value=0)
    worker = Runner(api.engine, {KIND: Kind(ExportJob(10), heavy=False)})
    assert await worker.work_once(heavy=False)
    failed = await api.get(f"/exports/{begun['id']}")
    assert failed["state"] == "failed"
    assert "these are more than 10 records" in failed["problem"]
    assert "choose a shorter range" in failed["problem"]
    no_file = await api.call("GET", f"/exports/{begun['id']}/file")
    assert no_file.status_code == 409
    assert "more than 10 records" in no_file.json()["detail"]


async def test_a_cancelled_export_leaves_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await store(api, 50)
    begun = await ask(api, "csv")
    written: list[int] = []

    async def step_and_give_up(engine: Any, step: Any) -> None:
        await in_transaction(engine, step)
        written.append(len(written))
        await api.call("DELETE", f"/exports/{begun['id']}", role=Role.VIEWER)

    monkeypatch.setattr(job, "PIECE_BYTES", 100)
    monkeypatch.setattr(job, "in_transaction", step_and_give_up)
    # The jobs process learns of it when it renews its lease, here with the next piece.
    assert await work(api)
    ended = await api.get(f"/exports/{begun['id']}")
    assert ended["state"] == "cancelled"
    assert 1 <= len(written) <= 3
    assert await pieces(api) == 0
    assert (await api.call("DELETE", f"/exports/{begun['id']}")).status_code == 204
    assert (await api.get("/exports"))["items"] == []


# XlsxWriter lets go of its archive, which then tries once more to write its end.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
async def test_a_full_disk_is_said(api: Api, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    await store(api, 1)
    begun = await ask(api, kind)
    monkeypatch.setattr(job, "TemporaryFile", lambda **_: Full())
    assert await work(api)
    failed = await api.get(f"/exports/{begun['id']}")
    assert failed["state"] == "failed"
    assert "no room on disk" in failed["problem"]
    gc.collect()


async def test_an_interrupted_export_begins_anew(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await store(api, 50)
    await ask(api, "csv")

    async def write_once(connection: Any, job_id: int, piece: int, content: bytes) -> None:
        if piece == 3:
            monkeypatch.setattr(job, "write_piece", write_piece)
            raise ConnectionError("the database went away for longer than a transaction is retried")
        await write_piece(connection, job_id, piece, content)

    monkeypatch.setattr(job, "PIECE_BYTES", 100)
    monkeypatch.setattr(job, "write_piece", write_once)
    monkeypatch.setattr(job, "in_transaction", in_one_attempt)
    assert await work(api)
    monkeypatch.setattr(job, "PIECE_BYTES", 1_000)
    await api.run("UPDATE jobs SET lease_until = NULL")
    assert await work(api)
    (done,) = (await api.get("/exports"))["items"]
    answer = await api.call("GET", f"/exports/{done['id']}/file")
    assert answer.content == (await export(api, "csv")).content


async def in_one_attempt(engine: Any, step: Any) -> Any:
    async with engine.begin() as connection:
        return await step(connection)


async def test_an_old_file_is_gone_and_says_so(api: Api) -> None:
    await store(api, 1)
    done, _ = await made(api, "csv")
    await api.run("UPDATE jobs SET finished_at = finished_at - INTERVAL 25 HOUR")
    gone = await api.call("GET", f"/exports/{done['id']}/file")
    assert gone.status_code == 404
    assert "deleted after 24 hours" in gone.json()["detail"]
    await Housekeeping(api.engine, file_hours=24, job_days=30).forget()
    assert await pieces(api) == 0
    (listed,) = (await api.get("/exports"))["items"]
    assert listed["state"] == "expired"
    assert datetime.fromisoformat(listed["expires_at"]) < datetime.now(UTC)
