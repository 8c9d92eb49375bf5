"""The audit trail as a CSV file, for a spreadsheet."""

import csv
import io
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_query.spreadsheet_text import guard
from telltale_query.system.repository import Place, read_audit
from telltale_query.system.schemas import AuditEntry, AuditFilter

ROWS_AT_ONCE = 1_000
COLUMNS = ("at", "actor", "actor_id", "action", "target", "outcome", "before", "after", "request_id", "id")


async def audit_rows(engine: AsyncEngine, query: AuditFilter) -> AsyncGenerator[bytes, None]:
    """The file in chunks, newest change first. A connection is held for one read only."""
    yield _encoded([COLUMNS])
    before: Place | None = None
    while True:
        async with engine.connect() as connection:
            entries = await read_audit(connection, query, before=before, limit=ROWS_AT_ONCE)
        if entries:
            yield _encoded([_row(entry) for entry in entries])
        if len(entries) < ROWS_AT_ONCE:
            return
        before = Place(entries[-1].at.replace(tzinfo=None), int(entries[-1].id))


def _row(entry: AuditEntry) -> tuple[str, ...]:
    at = entry.at.replace(tzinfo=None).isoformat() + "Z"
    # Names are whatever people and devices call themselves, and a client may choose the id of its request.
    texts = (entry.actor, entry.actor_id, entry.action, entry.target, entry.outcome)
    facts = (_facts(entry.before), _facts(entry.after))
    return (at, *map(guard, texts), *facts, guard(entry.request_id or ""), entry.id)


def _facts(facts: Mapping[str, Any] | None) -> str:
    return "" if facts is None else json.dumps(facts, ensure_ascii=False)


def _encoded(rows: Sequence[Sequence[str]]) -> bytes:
    output = io.StringIO(newline="")
    csv.writer(output).writerows(rows)
    return output.getvalue().encode()
