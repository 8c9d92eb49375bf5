"""Sessions that can be told apart, API keys, the outbox of revocations, and outcomes in the audit."""

from alembic import op

revision = "2026_11_24_identity"
down_revision = "2026_11_23_accounts"

TABLES = [
    """
CREATE TABLE IF NOT EXISTS api_keys (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  user_id INT UNSIGNED NOT NULL,
  name VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  digest BINARY(32) NOT NULL,
  hint VARCHAR(16) CHARACTER SET ascii NOT NULL,
  scopes VARCHAR(200) CHARACTER SET ascii NOT NULL,
  created_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  last_used_at DATETIME(6) NULL,
  revoked_at DATETIME(6) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY digest (digest),
  CONSTRAINT api_key_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS outbox (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  routing_key VARCHAR(100) CHARACTER SET ascii NOT NULL,
  type VARCHAR(64) CHARACTER SET ascii NOT NULL,
  body VARBINARY(1000) NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB
""",
]

CHANGES = [
    """
ALTER TABLE sessions
  ADD COLUMN IF NOT EXISTS id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  ADD COLUMN IF NOT EXISTS client VARCHAR(200) CHARACTER SET utf8mb4 NOT NULL DEFAULT '',
  ADD UNIQUE KEY IF NOT EXISTS id (id)
""",
    """
ALTER TABLE refresh_families
  ADD COLUMN IF NOT EXISTS last_used_at DATETIME(6) NULL,
  ADD COLUMN IF NOT EXISTS address VARCHAR(64) CHARACTER SET ascii NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS client VARCHAR(200) CHARACTER SET utf8mb4 NOT NULL DEFAULT ''
""",
    """
ALTER TABLE audit_log
  ADD COLUMN IF NOT EXISTS outcome VARCHAR(16) CHARACTER SET ascii NOT NULL DEFAULT 'done',
  ADD KEY IF NOT EXISTS at (at)
""",
]


def upgrade() -> None:
    """Create the tables, and add what the older ones lack."""
    for statement in (*TABLES, *CHANGES):
        op.execute(statement)


def downgrade() -> None:
    """Back to what was before; API keys and unsent revocations are lost."""
    op.execute("ALTER TABLE audit_log DROP KEY at, DROP COLUMN outcome")
    op.execute("ALTER TABLE refresh_families DROP COLUMN client, DROP COLUMN address, DROP COLUMN last_used_at")
    op.execute("ALTER TABLE sessions DROP KEY id, DROP COLUMN client, DROP COLUMN id")
    op.execute("DROP TABLE outbox")
    op.execute("DROP TABLE api_keys")
