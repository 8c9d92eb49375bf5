"""What is decided about dead letters: replays and discards are jobs, each with its row in the audit trail."""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.dead_letters.repository import count_open, newest_id, open_ids
from telltale_query.dead_letters.schemas import DISCARD, REPLAY, Choice, DeadLetterFilter, as_json
from telltale_query.jobs.beginning import begin_once
from telltale_query.jobs.repository import create_job, read_job
from telltale_query.jobs.run import JobRun, Kind
from telltale_query.jobs.schemas import Claim, Job, JobState
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict
from telltale_shared.store.audit import Actor, read_audit_after, update_audit, write_audit
from telltale_shared.store.records import InsertRaced
from telltale_shared.store.replays import Replayed, discard_letters, replay_letters
from telltale_shared.system_events import now_us
from telltale_shared.validation import DAY

AT_ONCE = 100
"""Letters in one transaction; each may be a delivery of many readings."""
RACES = 5
"""Times that a step is run again because somebody else stored the same record meanwhile."""
BEGUN = "begun"

ACTIONS = {REPLAY: "dead_letter.replay", DISCARD: "dead_letter.discard"}
"""Kind of job → action in the audit trail."""


async def order(engine: AsyncEngine, actor: Actor, kind: str, choice: Choice) -> Job | None:
    """Have the letters of ``choice`` replayed or discarded, as ``kind`` says. Returns the job.

    Raises:
        InvalidRequest: a bad range.
        Conflict: they are more or fewer than expected by now.
    """
    async with engine.connect() as connection:
        if choice.filter is None:
            expected, exact = len(choice.ids or []), True
        else:
            total = await count_open(connection, choice.filter)
            expected, exact = total.count, total.exact
            if total.count != choice.expected_count:
                raise Conflict(
                    f"these are {'' if exact else 'at least '}{total.count:,} open dead letters by now and not "
                    f"{choice.expected_count:,}: look at the list again"
                )
        # What arrives from now on was not chosen by anybody.
        up_to = await newest_id(connection)
    parameters = {
        "ids": None if choice.ids is None else sorted({int(one) for one in choice.ids}),
        "filter": None if choice.filter is None else as_json(choice.filter),
        "up_to": up_to,
        "rows_total": expected if exact else None,
    }
    begin = partial(_begin, actor=actor, kind=kind, parameters=parameters, expected=expected)
    job_id = await begin_once(engine, actor, kind, begin)
    async with engine.connect() as connection:
        return await read_job(connection, job_id)


async def _begin(
    connection: AsyncConnection, actor: Actor, kind: str, parameters: Mapping[str, Any], expected: int
) -> int:
    ids, chosen = parameters["ids"], parameters["filter"]
    if ids is not None:
        named = f"dead letters · {', '.join(map(str, ids[:20]))}{' …' if len(ids) > 20 else ''}"
    else:
        named = " · ".join(["dead letters", *(f"{name} {_fact(value)}" for name, value in chosen.items())])
    audit_id = await write_audit(
        connection, actor, ACTIONS[kind], named, before={"chosen": expected}, after={"done": 0}, outcome=BEGUN
    )
    return await create_job(connection, actor, kind, {**parameters, "audit_id": audit_id})


def _fact(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def kinds(retention_days: int) -> Mapping[str, Kind]:
    """The kinds of job that dead letters need.

    Args:
        retention_days: how long records are kept: older readings stay dead.
    """
    return {
        REPLAY: Kind(
            partial(_work, step=partial(_replay, retention=retention_days * DAY)), heavy=False, on_end=_note_end
        ),
        DISCARD: Kind(partial(_work, step=_discard), heavy=False, on_end=_note_end),
    }


Step = Callable[[AsyncConnection, list[int], str], Awaitable[Replayed]]


async def _replay(connection: AsyncConnection, ids: list[int], by: str, *, retention: int) -> Replayed:
    return await replay_letters(connection, ids, by=by, now=now_us(), retention=retention)


async def _discard(connection: AsyncConnection, ids: list[int], by: str) -> Replayed:
    return Replayed(letters=await discard_letters(connection, ids, by=by, now=now_us()))


async def _work(run: JobRun, step: Step) -> Mapping[str, Any]:
    """Go through the letters by id. How far that is stands in the audit row, which every step brings up to date."""
    await run.progress(phase="working", rows_done=0, rows_total=run.job.parameters["rows_total"])
    while True:
        await run.checkpoint()
        began = time.monotonic()
        done = await _step(run, step)
        if done is None:
            break
        await run.progress(rows_done=done)
        await run.pace.rest(time.monotonic() - began)

    async def finish(connection: AsyncConnection) -> dict[str, Any]:
        await run.hold(connection)
        after = await read_audit_after(connection, run.job.parameters["audit_id"])
        after.pop("position", None)
        await update_audit(connection, run.job.parameters["audit_id"], after=after, outcome="done")
        return after

    return await in_transaction(run.engine, finish)


async def _step(run: JobRun, step: Step) -> int | None:
    """Some letters in one transaction. Returns how many have been looked at altogether; None when none are left."""
    for attempt in range(1, RACES + 1):
        try:
            return await in_transaction(run.engine, partial(_some, run=run, step=step))
        except InsertRaced:
            if attempt == RACES:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


async def _some(connection: AsyncConnection, run: JobRun, step: Step) -> int | None:
    await run.hold(connection)
    parameters = run.job.parameters
    # Not what this process remembers: of an attempt that has committed, the answer may have been lost.
    after = await read_audit_after(connection, parameters["audit_id"])
    chosen = None if parameters["filter"] is None else DeadLetterFilter.model_validate(parameters["filter"])
    ids = await open_ids(
        connection, chosen, parameters["ids"], after=after.get("position", 0), up_to=parameters["up_to"], limit=AT_ONCE
    )
    if not ids:
        return None
    became = await step(connection, ids, run.job.actor.name)
    looked_at = int(after.get("looked_at", 0)) + len(ids)
    told = {
        "done": after.get("done", 0) + became.letters,
        "stored": after.get("stored", 0) + became.stored,
        "repeated": after.get("repeated", 0) + became.repeated,
        **{name: count for name, count in after.items() if name.startswith("refused ")},
    }
    for reason, count in became.refused.items():
        told[f"refused {reason}"] = told.get(f"refused {reason}", 0) + count
    told |= {"looked_at": looked_at, "position": ids[-1]}
    await update_audit(connection, parameters["audit_id"], after=told, outcome=BEGUN)
    return looked_at


async def _note_end(connection: AsyncConnection, claim: Claim, state: JobState, problem: str | None) -> None:
    """The job was cancelled or has failed: what is done by then stays done, and the audit trail says how much."""
    audit_id = claim.parameters["audit_id"]
    after = await read_audit_after(connection, audit_id)
    await update_audit(
        connection, audit_id, after={**after, **({"problem": problem} if problem else {})}, outcome=state.value
    )
