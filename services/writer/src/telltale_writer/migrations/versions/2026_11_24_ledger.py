"""The ledger's missing numbers in a column, all of its figures by day, and what folds them when they are old.

Works beside the services of the version before: new columns have defaults, and what these leave out the next writer
makes up for (telltale_shared.store.ledger_upkeep).
"""

from alembic import op

revision = "2026_11_24_ledger"
down_revision = "2026_11_24_sensitivity"

DAYS_BEFORE = """
UPDATE producer_days SET published = stored + repeated + dead, confirmed = stored + repeated + dead
WHERE published = 0 AND confirmed = 0
"""


def upgrade() -> None:
    op.execute("ALTER TABLE producers ADD COLUMN IF NOT EXISTS missing BIGINT UNSIGNED NOT NULL DEFAULT 0 AFTER proven")
    op.execute("ALTER TABLE producers ADD KEY IF NOT EXISTS seen_at (seen_at)")
    op.execute("""
ALTER TABLE producer_days
  MODIFY stored BIGINT NOT NULL, MODIFY repeated BIGINT NOT NULL, MODIFY dead BIGINT NOT NULL,
  ADD COLUMN IF NOT EXISTS published BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS confirmed BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS missing BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS dropped BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS redelivered BIGINT NOT NULL DEFAULT 0,
  ADD KEY IF NOT EXISTS day (day)
""")
    # Of the days so far only what was settled is known; the rest is noted by the next writer, on its first day.
    op.execute(DAYS_BEFORE)


def downgrade() -> None:
    op.execute("""
ALTER TABLE producer_days DROP KEY day, DROP COLUMN published, DROP COLUMN confirmed, DROP COLUMN missing,
  DROP COLUMN dropped, DROP COLUMN redelivered, MODIFY stored BIGINT UNSIGNED NOT NULL,
  MODIFY repeated BIGINT UNSIGNED NOT NULL, MODIFY dead BIGINT UNSIGNED NOT NULL
""")
    op.execute("ALTER TABLE producers DROP KEY seen_at, DROP COLUMN missing")
