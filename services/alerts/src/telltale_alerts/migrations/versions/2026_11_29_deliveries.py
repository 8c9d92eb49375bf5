"""Keys for what is due to one webhook, and for whom was told of an alert.

The key ``due`` serves the version before, which looks for what is due to anybody; a later migration removes it.
"""

from alembic import op

revision = "2026_11_29_deliveries"
down_revision = "2026_11_24_alerts"


def upgrade() -> None:
    """Add the keys."""
    op.execute("""
ALTER TABLE deliveries
  ADD KEY IF NOT EXISTS webhook_due (webhook_id, state, next_at),
  ADD KEY IF NOT EXISTS alert (alert_id, webhook_id, state)
""")


def downgrade() -> None:
    """The table is read for each of these."""
    op.execute("ALTER TABLE deliveries DROP KEY IF EXISTS webhook_due, DROP KEY IF EXISTS alert")
