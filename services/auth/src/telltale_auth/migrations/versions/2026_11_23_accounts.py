"""Accounts, browser sessions, refresh tokens and the audit of identity."""

from alembic import op

revision = "2026_11_23_accounts"
down_revision = None

ADDRESS = "VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
DIGEST = "BINARY(32)"

TABLES = [
    f"""
CREATE TABLE IF NOT EXISTS users (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  email {ADDRESS} NOT NULL,
  name VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  role VARCHAR(16) CHARACTER SET ascii NOT NULL,
  is_active BOOLEAN NOT NULL,
  is_demo BOOLEAN NOT NULL,
  password_hash VARCHAR(72) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  token_version INT UNSIGNED NOT NULL,
  created_at DATETIME(6) NOT NULL,
  last_login_at DATETIME(6) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY email (email),
  KEY administrators (role, is_active),
  CONSTRAINT role_is_known CHECK (role IN ('VIEWER', 'USER', 'ADMIN'))
) ENGINE=InnoDB
""",
    f"""
CREATE TABLE IF NOT EXISTS sessions (
  digest {DIGEST} NOT NULL,
  user_id INT UNSIGNED NOT NULL,
  created_at DATETIME(6) NOT NULL,
  last_used_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  address VARCHAR(64) CHARACTER SET ascii NOT NULL,
  PRIMARY KEY (digest),
  KEY expires_at (expires_at),
  CONSTRAINT session_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS refresh_families (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  user_id INT UNSIGNED NOT NULL,
  created_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  revoked_at DATETIME(6) NULL,
  PRIMARY KEY (id),
  KEY expires_at (expires_at),
  CONSTRAINT family_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB
""",
    f"""
CREATE TABLE IF NOT EXISTS refresh_tokens (
  digest {DIGEST} NOT NULL,
  family_id BIGINT UNSIGNED NOT NULL,
  created_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  used_at DATETIME(6) NULL,
  PRIMARY KEY (digest),
  CONSTRAINT token_family FOREIGN KEY (family_id) REFERENCES refresh_families (id) ON DELETE CASCADE
) ENGINE=InnoDB
""",
    # No foreign keys: the audit outlives the accounts that it speaks of.
    f"""
CREATE TABLE IF NOT EXISTS audit_log (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  at DATETIME(6) NOT NULL,
  actor_id INT UNSIGNED NULL,
  actor {ADDRESS} NOT NULL,
  action VARCHAR(64) CHARACTER SET ascii NOT NULL,
  target {ADDRESS} NOT NULL,
  detail JSON NOT NULL,
  address VARCHAR(64) CHARACTER SET ascii NOT NULL,
  request_id VARCHAR(32) CHARACTER SET ascii NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB
""",
]


def upgrade() -> None:
    """Create every table."""
    for table in TABLES:
        op.execute(table)


def downgrade() -> None:
    """Drop every table, and every account with it."""
    for name in ("audit_log", "refresh_tokens", "refresh_families", "sessions", "users"):
        op.execute(f"DROP TABLE {name}")
