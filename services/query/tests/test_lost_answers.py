"""Transactions that are committed although the answer is lost: what is then tried again must not be done twice."""

from typing import Any

import pytest
from asyncmy.errors import OperationalError

from telltale_query.deletions import service as deletions
from telltale_query.jobs.repository import claim_job
from telltale_query.jobs.runner import Runner

from .conftest import Api, now, rfc3339
from .imported import HEADER, check_derived, imported, records, row, rows, send, staged, undone, work

pytestmark = pytest.mark.anyio

FILE = HEADER + "".join(row(200 - n, n % 13, source=f"s-{n % 3}") for n in range(120)) + "s-0,temp,,1,,\r\n"
REPLACING = HEADER + "".join(row(200 - n, -1 - n, source=f"s-{n % 3}") for n in range(0, 120, 5))
LINK_LOST = 2013


class Answers:
    """Loses the answer to every second COMMIT of an engine, while it is told to.

    Not that to taking a job: its lease runs out then, and somebody takes it again some seconds later.
    """

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lost = 0
        self.losing = False
        self._turn = 0
        dialect = api.engine.sync_engine.dialect
        commit = dialect.do_commit
        spared = False

        async def claimed(*arguments: Any, **named: Any) -> Any:
            nonlocal spared
            spared = True
            return await claim_job(*arguments, **named)

        def committed(connection: Any) -> None:
            nonlocal spared
            commit(connection)
            losing, spared = self.losing and not spared, False
            self._turn += losing
            if losing and self._turn % 2:
                self.lost += 1
                raise OperationalError(LINK_LOST, "Lost connection to server during query")

        monkeypatch.setattr(dialect, "do_commit", committed)
        monkeypatch.setattr("telltale_query.jobs.runner.claim_job", claimed)
        monkeypatch.setattr("telltale_shared.database.BACKOFF_FIRST", 0.001)


@pytest.fixture
def answers(api: Api, monkeypatch: pytest.MonkeyPatch) -> Answers:
    for name, value in (("PARSED_AT_ONCE", 20), ("RUN_ROWS", 40), ("STAGED_ROWS", 15), ("CHUNK_ROWS", 25)):
        monkeypatch.setattr(f"telltale_query.imports.checking.{name}", value)
    for name, value in (("RESTORED_AT_ONCE", 10), ("REMOVED_AT_ONCE", 30)):
        monkeypatch.setattr(f"telltale_query.imports.undoing.{name}", value)
    return Answers(api, monkeypatch)


async def test_an_import_and_its_undo_count_every_row_once(api: Api, answers: Answers) -> None:
    expected: list[Any] = []
    for losing in (False, True):
        await api.empty()
        answers.losing = losing
        first = await imported(api, FILE, on_error="skip")
        second = await imported(api, REPLACING, on_conflict="replace")
        stored = [one[:4] for one in await records(api)]
        back = [await undone(api, one) for one in (second, first)]
        expected.append((first["rows"], second["rows"], stored, [(one["state"], one["rows"]) for one in back]))
        assert await records(api) == []
        await check_derived(api)
        assert await staged(api) == 0
    assert answers.lost > 20
    assert expected[0] == expected[1]


async def test_a_file_that_has_arrived_is_not_abandoned(api: Api, answers: Answers) -> None:
    """Its job may have begun, or be done, before the request knows that the file is there."""
    answers.losing = True
    sent = await send(api, FILE, on_error="skip")
    answers.losing = False
    assert sent.status_code == 202, sent.text
    await work(api)
    assert (await api.get(f"/imports/{sent.json()['id']}"))["state"] == "applied"


async def test_what_is_asked_for_once_is_there_once(api: Api, answers: Answers) -> None:
    answers.losing = True
    sent = [await send(api, FILE) for _ in range(2)]
    asked = [await api.call("POST", "/exports", params={"format": kind}) for kind in ("csv", "parquet")]
    answers.losing = False
    assert [answer.status_code for answer in (*sent, *asked)] == [202] * 4
    assert answers.lost >= 2
    assert await rows(api, "SELECT id FROM imports ORDER BY id") == [(answer.json()["id"],) for answer in sent]
    kinds = await rows(api, "SELECT kind FROM jobs ORDER BY id")
    assert kinds == [("import",), ("import",), ("export",), ("export",)]


async def test_a_deletion_counts_every_record_once(api: Api, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_query.records.walk.RECORDS_AT_ONCE", 10)
    await imported(api, FILE, on_error="skip")
    preview = (await api.call("POST", "/records/deletions/preview", json={"category": ["temp"]})).json()
    ordered = await api.call(
        "POST", "/records/deletions", json={"filter": preview["filter"], "expected_count": preview["count"]}
    )
    answers.losing = True
    await Runner(api.engine, deletions.kinds()).work_once(heavy=True)
    answers.losing = False
    job = await api.get(f"/jobs/{ordered.json()['id']}")
    assert (job["state"], job["result"]) == ("done", {"deleted": 120})
    assert await rows(
        api, "SELECT JSON_VALUE(after, '$.deleted') FROM audit_log WHERE action = 'record.delete_many'"
    ) == [("120",)]


async def test_a_record_is_changed_once_and_the_answer_says_so(api: Api, answers: Answers) -> None:
    reading = {"source": "a", "category": "temp", "value": 1.0, "observed_at": rfc3339(now(minutes=5))}
    answers.losing = True
    made = await api.call("POST", "/records", json=reading)
    path = f"/records/{made.json()['id']}"
    seen = await api.call("PATCH", path, json={"value": 2.0}, headers={"If-Match": made.headers["etag"]})
    unseen = await api.call("PATCH", path, json={"value": 3.0})
    gone = await api.call("DELETE", path)
    answers.losing = False
    assert [answer.status_code for answer in (made, seen, unseen, gone)] == [201, 200, 200, 204]
    assert [answer.headers["etag"] for answer in (made, seen, unseen)] == ['"0"', '"1"', '"2"']
    assert answers.lost == 4
    trail = await rows(api, "SELECT action, outcome FROM audit_log ORDER BY id")
    assert trail == [("record.create", "done"), *[("record.edit", "done")] * 2, ("record.delete", "done")]
    await check_derived(api)


async def test_what_is_wanted_of_an_import_is_begun_once_and_the_answer_says_so(api: Api, answers: Answers) -> None:
    forgotten, stored = [await imported(api, HEADER + row(3, 1, source=source), dry_run=True) for source in "ab"]
    answers.losing = True
    forget = await api.call("DELETE", f"/imports/{forgotten['id']}")
    apply = await api.call("POST", f"/imports/{stored['id']}/apply")
    answers.losing = False
    await work(api)
    answers.losing = True
    undo = await api.call("DELETE", f"/imports/{stored['id']}")
    answers.losing = False
    assert [answer.status_code for answer in (forget, apply, undo)] == [202] * 3
    assert answers.lost == 3
    await work(api)
    ended = [(await api.get(f"/imports/{one['id']}"))["state"] for one in (forgotten, stored)]
    assert ended == ["cancelled", "undone"]
    assert await rows(api, "SELECT kind FROM jobs WHERE kind <> 'import' ORDER BY id") == [
        ("import_apply",),
        ("import_undo",),
    ]
    assert await records(api) == []
