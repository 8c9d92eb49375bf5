"""Failed attempts to sign in, counted for all copies of auth together."""

from alembic import op

revision = "2026_11_24_attempts"
down_revision = "2026_11_24_identity"

ATTEMPTS = """
CREATE TABLE IF NOT EXISTS attempts (
  digest BINARY(32) NOT NULL,
  failures INT UNSIGNED NOT NULL,
  at DATETIME(6) NOT NULL,
  PRIMARY KEY (digest),
  KEY at (at)
) ENGINE=InnoDB
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(ATTEMPTS)


def downgrade() -> None:
    """Each copy counts for itself again."""
    op.execute("DROP TABLE attempts")
