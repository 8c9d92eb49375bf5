"""The pipeline: series, records, rollups, ledger, dead letters, anomalies, logs."""

from alembic import op

revision = "2026_11_23_pipeline"
down_revision = None

NAMES = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

ROLLUP = """
CREATE TABLE IF NOT EXISTS {name} (
  series_id INT UNSIGNED NOT NULL,
  bucket DATETIME NOT NULL,
  count BIGINT UNSIGNED NOT NULL,
  total DOUBLE NOT NULL,
  total_squares DOUBLE NOT NULL,
  minimum DOUBLE NOT NULL,
  maximum DOUBLE NOT NULL,
  PRIMARY KEY (series_id, bucket),
  KEY bucket (bucket)
) ENGINE=InnoDB
"""

TABLES = [
    f"""
CREATE TABLE IF NOT EXISTS series (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  source VARCHAR(100) {NAMES} NOT NULL,
  category VARCHAR(100) {NAMES} NOT NULL,
  unit VARCHAR(32) {NAMES} NULL,
  origin DOUBLE NOT NULL,
  created_at DATETIME(6) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY identity (source, category),
  KEY category (category)
) ENGINE=InnoDB
""",
    # The writer adds partitions ahead of time before it stores anything (telltale_shared.store.partitions).
    """
CREATE TABLE IF NOT EXISTS records (
  series_id INT UNSIGNED NOT NULL,
  observed_at DATETIME(6) NOT NULL,
  value DOUBLE NOT NULL,
  import_id INT UNSIGNED NULL,
  note VARCHAR(500) CHARACTER SET utf8mb4 NULL,
  PRIMARY KEY (series_id, observed_at),
  KEY observed_at (observed_at)
) ENGINE=InnoDB
PARTITION BY RANGE COLUMNS (observed_at) (PARTITION history VALUES LESS THAN ('1971-01-01'))
""",
    """
CREATE TABLE IF NOT EXISTS series_latest (
  series_id INT UNSIGNED NOT NULL,
  observed_at DATETIME(6) NOT NULL,
  value DOUBLE NOT NULL,
  PRIMARY KEY (series_id)
) ENGINE=InnoDB
""",
    ROLLUP.format(name="rollups_minute"),
    ROLLUP.format(name="rollups_hour"),
    ROLLUP.format(name="rollups_day"),
    f"""
CREATE TABLE IF NOT EXISTS producers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  producer VARCHAR(64) {NAMES} NOT NULL,
  service VARCHAR(64) {NAMES} NOT NULL,
  published BIGINT UNSIGNED NOT NULL DEFAULT 0,
  confirmed BIGINT UNSIGNED NOT NULL DEFAULT 0,
  dropped BIGINT UNSIGNED NOT NULL DEFAULT 0,
  closed BOOLEAN NOT NULL DEFAULT FALSE,
  watermark BIGINT UNSIGNED NOT NULL DEFAULT 0,
  proven BIGINT UNSIGNED NOT NULL DEFAULT 0,
  stored BIGINT UNSIGNED NOT NULL DEFAULT 0,
  repeated BIGINT UNSIGNED NOT NULL DEFAULT 0,
  dead BIGINT UNSIGNED NOT NULL DEFAULT 0,
  redelivered BIGINT UNSIGNED NOT NULL DEFAULT 0,
  first_seen_at DATETIME(6) NOT NULL,
  seen_at DATETIME(6) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY producer (producer)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS deliveries (
  producer_id INT UNSIGNED NOT NULL,
  first BIGINT UNSIGNED NOT NULL,
  last BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (producer_id, first)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS producer_days (
  producer_id INT UNSIGNED NOT NULL,
  day DATE NOT NULL,
  stored BIGINT UNSIGNED NOT NULL,
  repeated BIGINT UNSIGNED NOT NULL,
  dead BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (producer_id, day)
) ENGINE=InnoDB
""",
    f"""
CREATE TABLE IF NOT EXISTS dead_letters (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  reason VARCHAR(32) CHARACTER SET ascii NOT NULL,
  detail VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,
  producer VARCHAR(64) {NAMES} NULL,
  number BIGINT UNSIGNED NULL,
  count INT UNSIGNED NOT NULL DEFAULT 1,
  payload MEDIUMBLOB NOT NULL,
  fingerprint BINARY(32) NOT NULL,
  arrived_at DATETIME(6) NOT NULL,
  resolution VARCHAR(16) CHARACTER SET ascii NULL,
  resolved_by VARCHAR(100) CHARACTER SET utf8mb4 NULL,
  resolved_at DATETIME(6) NULL,
  PRIMARY KEY (id),
  KEY arrived_at (arrived_at),
  KEY producer (producer, number),
  KEY fingerprint (fingerprint)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS anomalies (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  series_id INT UNSIGNED NOT NULL,
  observed_at DATETIME(6) NOT NULL,
  detector VARCHAR(32) CHARACTER SET ascii NOT NULL,
  version VARCHAR(32) CHARACTER SET ascii NOT NULL,
  kind VARCHAR(32) CHARACTER SET ascii NOT NULL,
  value DOUBLE NOT NULL,
  score DOUBLE NOT NULL,
  expected_low DOUBLE NOT NULL,
  expected_high DOUBLE NOT NULL,
  explanation VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL,
  detected_at DATETIME(6) NOT NULL,
  verdict VARCHAR(16) CHARACTER SET ascii NULL,
  verdict_by VARCHAR(100) CHARACTER SET utf8mb4 NULL,
  verdict_at DATETIME(6) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY identity (series_id, observed_at, detector),
  KEY observed_at (observed_at)
) ENGINE=InnoDB
""",
    """
CREATE TABLE IF NOT EXISTS record_edits (
  series_id INT UNSIGNED NOT NULL,
  observed_at DATETIME(6) NOT NULL,
  revision INT UNSIGNED NOT NULL,
  edited_by VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  edited_at DATETIME(6) NOT NULL,
  PRIMARY KEY (series_id, observed_at)
) ENGINE=InnoDB
""",
    f"""
CREATE TABLE IF NOT EXISTS service_instances (
  instance VARCHAR(128) {NAMES} NOT NULL,
  service VARCHAR(64) {NAMES} NOT NULL,
  version VARCHAR(32) CHARACTER SET utf8mb4 NOT NULL,
  started_at DATETIME(6) NOT NULL,
  seen_at DATETIME(6) NOT NULL,
  health VARCHAR(16) CHARACTER SET utf8mb4 NOT NULL,
  memory_bytes BIGINT UNSIGNED NOT NULL,
  dependencies JSON NOT NULL,
  figures JSON NOT NULL,
  PRIMARY KEY (instance),
  KEY seen_at (seen_at)
) ENGINE=InnoDB
""",
    f"""
CREATE TABLE IF NOT EXISTS system_logs (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  at DATETIME(6) NOT NULL,
  service VARCHAR(64) {NAMES} NOT NULL,
  instance VARCHAR(128) {NAMES} NOT NULL,
  level VARCHAR(16) CHARACTER SET ascii NOT NULL,
  logger VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  message VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL,
  request_id VARCHAR(64) CHARACTER SET utf8mb4 NULL,
  fields JSON NOT NULL,
  PRIMARY KEY (id, at),
  UNIQUE KEY once (at, instance),
  KEY level (level, at)
) ENGINE=InnoDB
PARTITION BY RANGE COLUMNS (at) (PARTITION history VALUES LESS THAN ('1971-01-01'))
""",
    """
CREATE TABLE IF NOT EXISTS audit_log (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  at DATETIME(6) NOT NULL,
  actor_id VARCHAR(64) CHARACTER SET utf8mb4 NOT NULL,
  actor_name VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  action VARCHAR(64) CHARACTER SET ascii NOT NULL,
  target VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL,
  `before` JSON NULL,
  `after` JSON NULL,
  outcome VARCHAR(16) CHARACTER SET ascii NOT NULL,
  request_id VARCHAR(64) CHARACTER SET utf8mb4 NULL,
  PRIMARY KEY (id),
  KEY at (at),
  KEY actor (actor_id, at)
) ENGINE=InnoDB
""",
]


DROP_ORDER = (
    *("audit_log", "system_logs", "service_instances", "record_edits", "anomalies", "dead_letters"),
    *("producer_days", "deliveries", "producers", "rollups_day", "rollups_hour", "rollups_minute"),
    *("series_latest", "records", "series"),
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for name in DROP_ORDER:
        op.execute(f"DROP TABLE {name}")
