"""What keeps the ledger short and right by itself: old days and producers folded into one row, figures compared.

A writer of the version before, which knows fewer columns, may have settled numbers meanwhile: what follows from other
columns is computed again, and what no day tells is noted on the day on which it is found.
"""

from datetime import date, datetime

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.store.ledger import DAY_FIGURES

EARLIER = date(1970, 1, 1)
"""The day that holds what is older than the days that are kept."""
FOLDED = ""
"""The producer that holds the figures of those that are forgotten: no publisher can have this name."""
FOLDED_AT_ONCE = 500

# All that must hold between the columns of a producer, in one look.
_CORRECT = text("""
UPDATE producers AS p
LEFT JOIN (
  SELECT d.producer_id, MAX(d.last) AS last,
    SUM(GREATEST(0, LEAST(CAST(d.last AS SIGNED), CAST(q.proven AS SIGNED)) - CAST(d.first AS SIGNED) + 1)) AS proven
  FROM deliveries AS d JOIN producers AS q ON q.id = d.producer_id
  GROUP BY d.producer_id
) AS above ON above.producer_id = p.id
SET p.confirmed = GREATEST(p.confirmed, p.watermark, p.proven),
  p.published = GREATEST(p.published, p.confirmed, p.watermark, p.proven, COALESCE(above.last, 0)),
  p.missing = GREATEST(0, CAST(p.proven AS SIGNED) - CAST(p.watermark AS SIGNED)) - COALESCE(above.proven, 0)
WHERE p.producer <> :folded
""")
_NOTE_WHAT_NO_DAY_TELLS = text(f"""
INSERT INTO producer_days (producer_id, day, {", ".join(DAY_FIGURES)})
SELECT * FROM (
  SELECT p.id, :today AS day, {", ".join(f"CAST(p.{n} AS SIGNED) - COALESCE(told.{n}, 0) AS {n}" for n in DAY_FIGURES)}
  FROM producers AS p
  LEFT JOIN (
    SELECT producer_id, {", ".join(f"SUM({n}) AS {n}" for n in DAY_FIGURES)} FROM producer_days GROUP BY producer_id
  ) AS told ON told.producer_id = p.id
) AS untold
WHERE {" OR ".join(f"untold.{n} <> 0" for n in DAY_FIGURES)}
ON DUPLICATE KEY UPDATE {", ".join(f"{n} = producer_days.{n} + VALUES({n})" for n in DAY_FIGURES)}
""")  # noqa: S608 - constants only
_LOCK_ALL = text("SELECT id FROM producers ORDER BY id FOR UPDATE")

_OLD_DAYS = text("""
SELECT producer_id, day FROM producer_days WHERE day < :before AND day > :earlier ORDER BY day, producer_id LIMIT :n
""")
_FOLD_DAYS = text(f"""
INSERT INTO producer_days (producer_id, day, {", ".join(DAY_FIGURES)})
SELECT producer_id, :earlier, {", ".join(f"SUM({n})" for n in DAY_FIGURES)} FROM producer_days
WHERE (producer_id, day) IN :days GROUP BY producer_id
ON DUPLICATE KEY UPDATE {", ".join(f"{n} = producer_days.{n} + VALUES({n})" for n in DAY_FIGURES)}
""").bindparams(bindparam("days", expanding=True))  # noqa: S608 - constants only
_DELETE_DAYS = text("DELETE FROM producer_days WHERE (producer_id, day) IN :days").bindparams(
    bindparam("days", expanding=True)
)

# Whoever says that it will number no more, and all of whose numbers are settled, has nothing left to tell.
_DONE = text("""
SELECT id FROM producers
WHERE seen_at < :before AND closed AND published = watermark AND missing = 0 AND producer <> :folded
ORDER BY id LIMIT :n FOR UPDATE
""")
_SUMMED = ("published", "confirmed", "dropped", "watermark", "stored", "repeated", "dead", "missing", "redelivered")
_FOLD_PRODUCERS = text(f"""
INSERT INTO producers (producer, service, closed, first_seen_at, seen_at, {", ".join(_SUMMED)})
SELECT * FROM (
  SELECT :folded, '', TRUE, MIN(first_seen_at) AS first_seen_at, MAX(seen_at) AS seen_at,
    {", ".join(f"SUM({n}) AS {n}" for n in _SUMMED)}
  FROM producers WHERE id IN :ids
) AS gone
ON DUPLICATE KEY UPDATE {", ".join(f"{n} = producers.{n} + VALUES({n})" for n in _SUMMED)},
  first_seen_at = LEAST(producers.first_seen_at, VALUES(first_seen_at)),
  seen_at = GREATEST(producers.seen_at, VALUES(seen_at))
""").bindparams(bindparam("ids", expanding=True))  # noqa: S608 - constants only
_GIVE_DAYS = text(f"""
INSERT INTO producer_days (producer_id, day, {", ".join(DAY_FIGURES)})
SELECT (SELECT id FROM producers WHERE producer = :folded), day, {", ".join(f"SUM({n})" for n in DAY_FIGURES)}
FROM producer_days WHERE producer_id IN :ids GROUP BY day
ON DUPLICATE KEY UPDATE {", ".join(f"{n} = producer_days.{n} + VALUES({n})" for n in DAY_FIGURES)}
""").bindparams(bindparam("ids", expanding=True))  # noqa: S608 - constants only
_FORGET_DAYS_OF = text("DELETE FROM producer_days WHERE producer_id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_FORGET = text("DELETE FROM producers WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))


async def correct_figures(connection: AsyncConnection, *, today: date) -> None:
    """Compute anew what follows from other columns, and note on ``today`` what no day tells yet.

    Holds all producers meanwhile, so that nothing changes between the two looks; a moment, also for many of them.
    """
    await connection.execute(_LOCK_ALL)
    await connection.execute(_CORRECT, {"folded": FOLDED})
    await connection.execute(_NOTE_WHAT_NO_DAY_TELLS, {"today": today})


async def fold_days(connection: AsyncConnection, *, before: date) -> int:
    """Sum up some of the days older than ``before``, per producer. Returns how many; 0 when none is left."""
    wanted = {"before": before, "earlier": EARLIER, "n": FOLDED_AT_ONCE}
    days = [tuple(row) for row in await connection.execute(_OLD_DAYS, wanted)]
    if days:
        await connection.execute(_FOLD_DAYS, {"earlier": EARLIER, "days": days})
        await connection.execute(_DELETE_DAYS, {"days": days})
    return len(days)


async def fold_producers(connection: AsyncConnection, *, before: datetime) -> int:
    """Put together some of the producers that ended long ago, last seen before ``before`` (naive UTC).

    Their figures stay in the totals. Returns how many; 0 when none is left.
    """
    done = await connection.execute(_DONE, {"before": before, "folded": FOLDED, "n": FOLDED_AT_ONCE})
    ids = list(done.scalars())
    if ids:
        for statement in (_FOLD_PRODUCERS, _GIVE_DAYS):
            await connection.execute(statement, {"ids": ids, "folded": FOLDED})
        for statement in (_FORGET_DAYS_OF, _FORGET):
            await connection.execute(statement, {"ids": ids})
    return len(ids)
