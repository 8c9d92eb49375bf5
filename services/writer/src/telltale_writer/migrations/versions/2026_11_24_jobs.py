"""Long work and its files: jobs, imports with their staging, exports."""

from alembic import op

revision = "2026_11_24_jobs"
down_revision = "2026_11_24_sketches"

TEXT = "CHARACTER SET utf8mb4"
WORD = "CHARACTER SET ascii"

TABLES = {
    # One piece of long work. Whoever holds the lease works on it; when the lease runs out, another goes on.
    "jobs": f"""
CREATE TABLE IF NOT EXISTS jobs (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  kind VARCHAR(32) {WORD} NOT NULL,
  state VARCHAR(16) {WORD} NOT NULL,
  phase VARCHAR(32) {WORD} NULL,
  parameters JSON NOT NULL,
  result JSON NULL,
  problem VARCHAR(1000) {TEXT} NULL,
  rows_done BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_total BIGINT UNSIGNED NULL,
  rate DOUBLE NULL,
  cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
  attempts INT UNSIGNED NOT NULL DEFAULT 0,
  lease_owner VARCHAR(128) {TEXT} NULL,
  lease_until DATETIME(6) NULL,
  created_by VARCHAR(64) {TEXT} NOT NULL,
  created_by_name VARCHAR(100) {TEXT} NOT NULL,
  request_id VARCHAR(64) {TEXT} NULL,
  created_at DATETIME(6) NOT NULL,
  started_at DATETIME(6) NULL,
  updated_at DATETIME(6) NOT NULL,
  finished_at DATETIME(6) NULL,
  PRIMARY KEY (id),
  KEY state (state, lease_until),
  KEY created_at (created_at)
) ENGINE=InnoDB
""",
    # A file as it came or as it was made, in pieces; owned by a job and forgotten some time after it.
    "job_files": """
CREATE TABLE IF NOT EXISTS job_files (
  job_id BIGINT UNSIGNED NOT NULL,
  piece INT UNSIGNED NOT NULL,
  content MEDIUMBLOB NOT NULL,
  PRIMARY KEY (job_id, piece)
) ENGINE=InnoDB
""",
    "imports": f"""
CREATE TABLE IF NOT EXISTS imports (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  state VARCHAR(16) {WORD} NOT NULL,
  job_id BIGINT UNSIGNED NOT NULL,
  undo_job_id BIGINT UNSIGNED NULL,
  file_name VARCHAR(255) {TEXT} NOT NULL,
  file_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
  sha256 BINARY(32) NULL,
  options JSON NOT NULL,
  problem VARCHAR(1000) CHARACTER SET utf8mb4 NULL,
  rows_read BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_good BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_bad BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_stored BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_repeated BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_kept BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_replaced BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_undone BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_restored BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_left BIGINT UNSIGNED NOT NULL DEFAULT 0,
  created_by VARCHAR(64) {TEXT} NOT NULL,
  created_by_name VARCHAR(100) {TEXT} NOT NULL,
  created_at DATETIME(6) NOT NULL,
  apply_began_at DATETIME(6) NULL,
  finished_at DATETIME(6) NULL,
  undone_by_name VARCHAR(100) {TEXT} NULL,
  undone_at DATETIME(6) NULL,
  PRIMARY KEY (id),
  KEY created_at (created_at)
) ENGINE=InnoDB
""",
    # Validated rows in columns, sorted by series and time: runs while they are sorted, then what is to be applied.
    "import_chunks": """
CREATE TABLE IF NOT EXISTS import_chunks (
  import_id INT UNSIGNED NOT NULL,
  run INT UNSIGNED NOT NULL,
  chunk INT UNSIGNED NOT NULL,
  row_count INT UNSIGNED NOT NULL,
  applied BOOLEAN NOT NULL DEFAULT FALSE,
  payload LONGBLOB NOT NULL,
  PRIMARY KEY (import_id, run, chunk)
) ENGINE=InnoDB
""",
    # The series that an import speaks of; ``series_id`` once it is known, and the time from the first to the last row.
    "import_series": f"""
CREATE TABLE IF NOT EXISTS import_series (
  import_id INT UNSIGNED NOT NULL,
  position INT UNSIGNED NOT NULL,
  series_id INT UNSIGNED NULL,
  source VARCHAR(100) {TEXT} COLLATE utf8mb4_bin NOT NULL,
  category VARCHAR(100) {TEXT} COLLATE utf8mb4_bin NOT NULL,
  unit VARCHAR(32) {TEXT} COLLATE utf8mb4_bin NULL,
  first_at DATETIME(6) NOT NULL,
  last_at DATETIME(6) NOT NULL,
  row_count BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (import_id, position),
  KEY series (series_id, import_id)
) ENGINE=InnoDB
""",
    "import_errors": f"""
CREATE TABLE IF NOT EXISTS import_errors (
  import_id INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  line BIGINT UNSIGNED NOT NULL,
  column_name VARCHAR(100) {TEXT} NULL,
  value VARCHAR(200) {TEXT} NULL,
  reason VARCHAR(500) {TEXT} NOT NULL,
  PRIMARY KEY (import_id, number)
) ENGINE=InnoDB
""",
    # What a record was before an import replaced it, and its revision after that (after undo: after being restored).
    "import_replacements": f"""
CREATE TABLE IF NOT EXISTS import_replacements (
  import_id INT UNSIGNED NOT NULL,
  series_id INT UNSIGNED NOT NULL,
  observed_at DATETIME(6) NOT NULL,
  value DOUBLE NOT NULL,
  note VARCHAR(500) {TEXT} NULL,
  record_import_id INT UNSIGNED NULL,
  edited_at DATETIME(6) NULL,
  revision INT UNSIGNED NOT NULL,
  settled BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY (import_id, series_id, observed_at),
  KEY record (series_id, observed_at)
) ENGINE=InnoDB
""",
}


def upgrade() -> None:
    for statement in TABLES.values():
        op.execute(statement)


def downgrade() -> None:
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE {name}")
