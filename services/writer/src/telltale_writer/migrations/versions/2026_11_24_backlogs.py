"""When each writer last had more readings than it could store at once."""

from alembic import op

revision = "2026_11_24_backlogs"
down_revision = "2026_11_24_ledger"


def upgrade() -> None:
    op.execute("""
CREATE TABLE IF NOT EXISTS backlogs (
  store_partition SMALLINT UNSIGNED NOT NULL,
  seen_at DATETIME(6) NOT NULL,
  PRIMARY KEY (store_partition)
) ENGINE=InnoDB
""")


def downgrade() -> None:
    op.execute("DROP TABLE backlogs")
