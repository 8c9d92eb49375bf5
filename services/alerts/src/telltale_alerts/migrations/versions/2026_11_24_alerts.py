"""The tables of the alerts service, and the rule that is always there."""

from alembic import op

revision = "2026_11_24_alerts"
down_revision = None

MISSING_FOR = 60_000_000
"""µs that readings may be missing before the built-in rule fires: a delivery may be between queue and database."""

TABLES = [
    """
CREATE TABLE IF NOT EXISTS checkpoint (
  id INT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  stream_offset BIGINT NULL,
  checksum BIGINT NULL,
  clock JSON NOT NULL,
  saved_at DATETIME(6) NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS series (
  source VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  category VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  unit VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  service VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  last_at BIGINT NOT NULL,
  anomalies VARCHAR(200) CHARACTER SET ascii NOT NULL,
  PRIMARY KEY (source, category)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS rules (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  revision INT UNSIGNED NOT NULL,
  version INT UNSIGNED NOT NULL,
  name VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  kind VARCHAR(32) CHARACTER SET ascii NOT NULL,
  severity VARCHAR(16) CHARACTER SET ascii NOT NULL,
  enabled BOOLEAN NOT NULL,
  built_in BOOLEAN NOT NULL,
  sources JSON NOT NULL,
  categories JSON NOT NULL,
  hold BIGINT NOT NULL,
  clear_after BIGINT NOT NULL,
  direction VARCHAR(8) CHARACTER SET ascii NOT NULL,
  threshold DOUBLE NOT NULL,
  clear_value DOUBLE NULL,
  min_score DOUBLE NOT NULL,
  anomaly_kinds JSON NOT NULL,
  changed_at DATETIME(6) NOT NULL,
  changed_by VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY name (name)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS alerts (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  rule_id BIGINT UNSIGNED NOT NULL,
  rule_revision INT UNSIGNED NOT NULL,
  rule_name VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  kind VARCHAR(32) CHARACTER SET ascii NOT NULL,
  severity VARCHAR(16) CHARACTER SET ascii NOT NULL,
  source VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  category VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  unit VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  state VARCHAR(16) CHARACTER SET ascii NOT NULL,
  since BIGINT NOT NULL,
  held_at BIGINT NOT NULL,
  fired_at BIGINT NULL,
  clear_since BIGINT NULL,
  resolved_at BIGINT NULL,
  value DOUBLE NULL,
  explanation VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL,
  acknowledged_by VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  silenced_until BIGINT NULL,
  notified BOOLEAN NOT NULL,
  -- At most one is open for a rule and a series: NULLs, as of those that are resolved, are never equal.
  open_key BIGINT UNSIGNED AS (IF(state = 'resolved', NULL, rule_id)) PERSISTENT,
  PRIMARY KEY (id),
  UNIQUE KEY one_open (open_key, source, category),
  KEY state (state, id),
  KEY resolved_at (resolved_at)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS history (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  alert_id BIGINT UNSIGNED NOT NULL,
  at BIGINT NOT NULL,
  recorded_at DATETIME(6) NOT NULL,
  state VARCHAR(16) CHARACTER SET ascii NOT NULL,
  value DOUBLE NULL,
  explanation VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL,
  by_whom VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  note VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,
  PRIMARY KEY (id),
  KEY alert (alert_id, id),
  CONSTRAINT history_alert FOREIGN KEY (alert_id) REFERENCES alerts (id) ON DELETE CASCADE
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS silences (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  rule_id BIGINT UNSIGNED NULL,
  sources JSON NOT NULL,
  categories JSON NOT NULL,
  reason VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,
  created_at DATETIME(6) NOT NULL,
  created_by VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  ends_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY ends_at (ends_at)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS outbox (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  routing_key VARCHAR(100) CHARACTER SET ascii NOT NULL,
  type VARCHAR(64) CHARACTER SET ascii NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS webhooks (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  name VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  url VARCHAR(1000) CHARACTER SET ascii NOT NULL,
  secret VARCHAR(100) CHARACTER SET ascii NOT NULL,
  min_severity VARCHAR(16) CHARACTER SET ascii NOT NULL,
  enabled BOOLEAN NOT NULL,
  changed_at DATETIME(6) NOT NULL,
  changed_by VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY name (name)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS deliveries (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  webhook_id BIGINT UNSIGNED NOT NULL,
  alert_id BIGINT UNSIGNED NOT NULL,
  body BLOB NOT NULL,
  state VARCHAR(16) CHARACTER SET ascii NOT NULL,
  attempts INT UNSIGNED NOT NULL,
  next_at DATETIME(6) NULL,
  created_at DATETIME(6) NOT NULL,
  ended_at DATETIME(6) NULL,
  problem VARCHAR(300) CHARACTER SET utf8mb4 NOT NULL,
  PRIMARY KEY (id),
  KEY due (state, next_at),
  KEY webhook (webhook_id, id),
  CONSTRAINT delivery_webhook FOREIGN KEY (webhook_id) REFERENCES webhooks (id) ON DELETE CASCADE
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS audit_log (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  at DATETIME(6) NOT NULL,
  actor_id VARCHAR(64) CHARACTER SET ascii NOT NULL,
  actor VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  action VARCHAR(64) CHARACTER SET ascii NOT NULL,
  target VARCHAR(254) CHARACTER SET utf8mb4 NOT NULL,
  detail JSON NOT NULL,
  request_id VARCHAR(32) CHARACTER SET ascii NOT NULL,
  PRIMARY KEY (id),
  KEY at (at)
) ENGINE=InnoDB
""",
]

ROWS = [
    "INSERT IGNORE INTO checkpoint (id, epoch, clock, saved_at) VALUES (1, 0, '{}', UTC_TIMESTAMP(6))",
    f"""
INSERT IGNORE INTO rules (id, revision, version, name, kind, severity, enabled, built_in, sources, categories, hold,
  clear_after, direction, threshold, clear_value, min_score, anomaly_kinds, changed_at, changed_by)
VALUES (1, 1, 1, 'Readings are missing', 'missing_readings', 'critical', TRUE, TRUE, '[]', '[]', {MISSING_FOR}, 0,
  'above', 0, NULL, 0, '[]', UTC_TIMESTAMP(6), 'Telltale')
""",  # noqa: S608 - a number of ours
]


def upgrade() -> None:
    """Create the tables and what has to be in them."""
    for statement in (*TABLES, *ROWS):
        op.execute(statement)


def downgrade() -> None:
    """Rules, alerts and their history are lost."""
    watched = ("history", "alerts", "rules", "series", "checkpoint")
    for table in ("audit_log", "deliveries", "webhooks", "outbox", "silences", *watched):
        op.execute(f"DROP TABLE {table}")
