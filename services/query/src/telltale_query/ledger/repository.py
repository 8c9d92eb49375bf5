"""Reading the ledger: what producers say they published against what the writer has settled."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.instants import outside
from telltale_query.ledger.schemas import Ledger, ProducerLedger
from telltale_shared.store.ledger_figures import figures_of, read_totals
from telltale_shared.store.schema import producers

PRODUCERS_SHOWN = 1_000


async def read_ledger(connection: AsyncConnection) -> Ledger:
    """The whole ledger."""
    newest = select(producers).order_by(producers.c.seen_at.desc(), producers.c.id.desc()).limit(PRODUCERS_SHOWN)
    found = [
        ProducerLedger(
            **figures_of(row),
            producer=row.producer,
            service=row.service,
            closed=bool(row.closed),
            last_seen_at=outside(row.seen_at),
        )
        for row in await connection.execute(newest)
    ]
    return Ledger(found, await read_totals(connection))
