"""Looks at the ledger's totals now and then: for the heartbeat, from which alerts are made, and for the metrics."""

import asyncio
from dataclasses import asdict

import structlog
from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.database import DATABASE_ERRORS
from telltale_shared.store.ledger_figures import LedgerFigures, read_totals

log = structlog.get_logger("telltale.writer")

PERIOD = 5.0
"""Seconds between two looks."""
PATIENCE = 4.0

MISSING = Gauge("telltale_ledger_missing", "Readings that must have been stored by now and were not, of all producers")
READINGS = Gauge(
    "telltale_ledger_readings", "Numbers that producers gave to readings, by what became of them", ["state"]
)


class LedgerWatch:
    """The totals of all producers, as they were a moment ago."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._totals: LedgerFigures | None = None

    def figures(self) -> dict[str, float]:
        """The totals for the heartbeat, as ``ledger_missing`` and so on; nothing while nobody knows them."""
        if self._totals is None:
            return {}
        return {f"ledger_{name}": float(count) for name, count in asdict(self._totals).items()}

    async def run(self) -> None:
        """Look until cancelled. A database that is away is not an error here: then nothing is told."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE), self._engine.connect() as connection:
                    self._note(await read_totals(connection))
            except DATABASE_ERRORS as error:
                self._totals = None
                log.info("ledger not read", error=str(error)[:200])
            await asyncio.sleep(PERIOD)

    def _note(self, totals: LedgerFigures) -> None:
        self._totals = totals
        MISSING.set(totals.missing)
        for name, count in asdict(totals).items():
            READINGS.labels(name).set(count)
