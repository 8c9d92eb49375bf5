"""One batch, one transaction: series, records, latest, rollups, dead letters and the ledger, all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.database import error_number
from telltale_shared.store import rollups
from telltale_shared.store.dead_letters import DeadLetter, bury
from telltale_shared.store.ledger import Account, Standing, open_accounts, settle
from telltale_shared.store.records import Columns, Floats, Integers, Outcome, advance_latest, insert_records, key_order
from telltale_shared.store.series import Identity, NewSeries, Series, SeriesDirectory
from telltale_shared.validation import CONFLICT, Rejected, check_unit
from telltale_writer.decode import DecodedDelivery

log = structlog.get_logger("telltale.writer")

ATTEMPT_SECONDS = 120.0
"""After which an attempt to store counts as failed: the server ends a statement earlier, so its link is silent."""
DATA_ERRORS = frozenset({1264, 1265, 1292, 1366, 1406, 1526, 1690})
"""MariaDB's refusals of a value itself (out of range, truncated, incorrect, too long, no partition): retrying the same
rows cannot help, so the ones at fault are found and become dead letters."""


@dataclass
class Counts:
    """What became of the readings of a batch."""

    stored: int = 0
    repeated: int = 0
    redelivered: int = 0
    dead: dict[str, int] = field(default_factory=dict)

    def add_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Count ``letters`` by reason."""
        for letter in letters:
            self.dead[letter.reason] = self.dead.get(letter.reason, 0) + letter.count


class Ingest:
    """Stores batches of deliveries."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._directory = SeriesDirectory()

    async def store(self, batch: Sequence[DecodedDelivery], *, now: int) -> Counts:
        """Store ``batch`` in one transaction; only what the database refuses is isolated in smaller ones.

        Raises:
            DBAPIError, OSError, TimeoutError, InsertRaced: nothing of the remaining batch is stored; try again.
        """
        try:
            return await self._store_at_once(batch, now)
        except DBAPIError as error:
            if error_number(error) not in DATA_ERRORS:
                raise
            log.warning("batch refused by the database", deliveries=len(batch), error=str(error.orig)[:300])
            return await self._store_apart(batch, error, now)

    async def _store_apart(self, batch: Sequence[DecodedDelivery], error: DBAPIError, now: int) -> Counts:
        if len(batch) == 1:
            refused = await self._refused(batch[0], np.arange(len(batch[0])), now)
            if not refused:
                raise error
            return await self._store_at_once([batch[0].without(refused)], now)
        middle = len(batch) // 2
        counts = await self.store(batch[:middle], now=now)
        rest = await self.store(batch[middle:], now=now)
        counts.stored += rest.stored
        counts.repeated += rest.repeated
        counts.redelivered += rest.redelivered
        for reason, count in rest.dead.items():
            counts.dead[reason] = counts.dead.get(reason, 0) + count
        return counts

    async def _refused(
        self, delivery: DecodedDelivery, positions: npt.NDArray[np.intp], now: int
    ) -> dict[int, Rejected]:
        """By halving: the readings of ``delivery`` that the database refuses, found without storing anything."""
        part = delivery.without(dict.fromkeys(set(range(len(delivery))) - set(positions.tolist()), CONFLICT))
        try:
            async with self._engine.connect() as connection:
                work = _Transaction([part], self._directory, now)
                await work.insert(connection, [part])
                await connection.rollback()
        except DBAPIError as error:
            if error_number(error) not in DATA_ERRORS:
                raise
            if len(positions) == 1:
                return {int(positions[0]): Rejected("refused_by_database", str(error.orig)[:400])}
            halves = np.array_split(positions, 2)
            return {**await self._refused(delivery, halves[0], now), **await self._refused(delivery, halves[1], now)}
        return {}

    async def _store_at_once(self, batch: Sequence[DecodedDelivery], now: int) -> Counts:
        work = _Transaction(batch, self._directory, now)
        async with self._engine.begin() as connection:
            await work.run(connection)
        self._directory.remember(work.series)
        return work.counts


class _Transaction:
    """The work of one transaction and what it finds out on the way."""

    def __init__(self, batch: Sequence[DecodedDelivery], directory: SeriesDirectory, now: int) -> None:
        self._batch = batch
        self._directory = directory
        self._now = now
        self.series: dict[Identity, Series] = {}
        self.counts = Counts()

    async def run(self, connection: AsyncConnection) -> None:
        numbers = [delivery.numbers for delivery in self._batch if delivery.numbers is not None]
        accounts = await open_accounts(connection, numbers, now=self._now)
        fresh, letters = self._claim(accounts)
        stored, repeated, conflicts = await self.insert(connection, fresh)
        self._tally(accounts, fresh, stored, repeated)
        letters += conflicts
        self.counts.add_letters(letters)
        await bury(connection, letters, now=self._now)
        await settle(connection, accounts.values(), now=self._now)

    def _claim(self, accounts: dict[str, Account]) -> tuple[list[DecodedDelivery], list[DeadLetter]]:
        fresh: list[DecodedDelivery] = []
        letters: list[DeadLetter] = []
        for delivery in self._batch:
            numbers = delivery.numbers
            if numbers is None:
                letters += delivery.dead
                continue
            standing = accounts[numbers.producer].claim(numbers)
            if standing is Standing.NEW:
                fresh.append(delivery)
                letters += delivery.dead
            elif standing is Standing.REDELIVERED:
                self.counts.redelivered += numbers.last - numbers.first + 1
            else:
                letters.append(_overlap(delivery))
        return fresh, letters

    async def insert(
        self, connection: AsyncConnection, deliveries: Sequence[DecodedDelivery]
    ) -> tuple[Integers, Integers, list[DeadLetter]]:
        """Store the good readings. Returns per delivery the numbers stored and repeated, and the conflicts."""
        await self._resolve_series(connection, deliveries)
        kept, unit_conflicts = self._refuse_other_units(deliveries)
        columns, owner, origins = self._concatenate(kept)
        order = key_order(columns)
        columns, origins = columns.take(order), origins[order]
        outcomes = await insert_records(connection, columns)
        fresh = outcomes == Outcome.STORED
        # In the order of an edit: records, latest, rollups. The other way round the two could wait for each other.
        await advance_latest(connection, columns.take(fresh))
        await rollups.add(connection, columns.take(fresh), origins[fresh])
        sorted_owner = owner[order]
        stored = np.bincount(sorted_owner[fresh], minlength=len(kept)).astype(np.int64)
        repeated = np.bincount(sorted_owner[outcomes == Outcome.REPEATED], minlength=len(kept)).astype(np.int64)
        clashing = order[outcomes == Outcome.CONFLICT]
        starts = np.cumsum([0, *(len(delivery) for delivery in kept)])
        conflicts = [kept[owner[at]].letter(int(at - starts[owner[at]]), CONFLICT) for at in np.sort(clashing)]
        return stored, repeated, unit_conflicts + conflicts

    async def _resolve_series(self, connection: AsyncConnection, deliveries: Sequence[DecodedDelivery]) -> None:
        wanted: dict[Identity, NewSeries] = {}
        for delivery in deliveries:
            for which, key in enumerate(delivery.series):
                identity = (key.source, key.category)
                if identity not in wanted and len(positions := np.flatnonzero(delivery.index == which)):
                    wanted[identity] = NewSeries(key.unit, float(delivery.value[positions[0]]))
        self.series = await self._directory.resolve(connection, wanted, now=self._now)

    def _refuse_other_units(
        self, deliveries: Sequence[DecodedDelivery]
    ) -> tuple[list[DecodedDelivery], list[DeadLetter]]:
        kept: list[DecodedDelivery] = []
        letters: list[DeadLetter] = []
        for delivery in deliveries:
            refused: dict[int, Rejected] = {}
            for which, key in enumerate(delivery.series):
                series = self.series.get((key.source, key.category))
                if series is not None and (rejected := check_unit(key.unit, series.unit)):
                    refused |= dict.fromkeys(np.flatnonzero(delivery.index == which).tolist(), rejected)
            if not refused:
                kept.append(delivery)
                continue
            without = delivery.without(refused)
            kept.append(without)
            letters += without.dead[len(delivery.dead) :]
        return kept, letters

    def _concatenate(self, deliveries: Sequence[DecodedDelivery]) -> tuple[Columns, Integers, Floats]:
        """All readings in columns, with per reading its delivery's position and its series' origin."""
        ids: list[Integers] = []
        origins: list[Floats] = []
        for delivery in deliveries:
            known = [self.series.get((key.source, key.category)) for key in delivery.series]
            ids.append(np.array([series.id if series else 0 for series in known], np.int64)[delivery.index])
            origins.append(np.array([series.origin if series else 0.0 for series in known])[delivery.index])
        columns = Columns(
            _joined(ids, np.int64),
            _joined([delivery.observed_at for delivery in deliveries], np.int64),
            _joined([delivery.value for delivery in deliveries], np.float64),
        )
        owner: Integers = np.repeat(
            np.arange(len(deliveries), dtype=np.int64), [len(delivery) for delivery in deliveries]
        )
        return columns, owner, _joined(origins, np.float64)

    def _tally(
        self, accounts: dict[str, Account], fresh: Sequence[DecodedDelivery], stored: Integers, repeated: Integers
    ) -> None:
        for delivery, n_stored, n_repeated in zip(fresh, stored.tolist(), repeated.tolist(), strict=True):
            numbers = delivery.numbers
            assert numbers is not None  # noqa: S101 - only claimed deliveries are fresh
            account = accounts[numbers.producer]
            account.stored += n_stored
            account.repeated += n_repeated
            account.dead += numbers.last - numbers.first + 1 - n_stored - n_repeated
        self.counts.stored = int(stored.sum())
        self.counts.repeated = int(repeated.sum())


def _overlap(delivery: DecodedDelivery) -> DeadLetter:
    numbers = delivery.numbers
    assert numbers is not None  # noqa: S101 - only a delivery with numbers can overlap
    content = {
        "first": numbers.first,
        "last": numbers.last,
        "series": delivery.series,
        "index": delivery.index.tolist(),
        "observed_at": delivery.observed_at.tolist(),
        "value": delivery.value.tolist(),
    }
    return DeadLetter(
        "overlap",
        f"numbers {numbers.first} to {numbers.last} were delivered before, cut differently",
        msgspec.json.encode(content),
        producer=numbers.producer,
        number=numbers.first,
        count=numbers.last - numbers.first + 1,
        maybe_known=True,  # none of its numbers is settled by it
    )


_Number = TypeVar("_Number", np.int64, np.float64)


def _joined(parts: list[npt.NDArray[_Number]], dtype: type[_Number]) -> npt.NDArray[_Number]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
