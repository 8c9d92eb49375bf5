"""Sketches beside the rollups, for percentiles; the horizon behind which only rollups are left."""

from alembic import op

revision = "2026_11_24_sketches"
down_revision = "2026_11_23_pipeline"

SKETCHES = """
CREATE TABLE IF NOT EXISTS {name} (
  series_id INT UNSIGNED NOT NULL,
  bucket DATETIME NOT NULL,
  bins MEDIUMBLOB NOT NULL,
  PRIMARY KEY (series_id, bucket)
) ENGINE=InnoDB
"""
TIERS = ("sketches_minute", "sketches_hour", "sketches_day")

HORIZONS = """
CREATE TABLE IF NOT EXISTS horizons (
  table_name VARCHAR(64) CHARACTER SET ascii NOT NULL,
  rows_from DATETIME NOT NULL,
  PRIMARY KEY (table_name)
) ENGINE=InnoDB
"""


def upgrade() -> None:
    for name in TIERS:
        op.execute(SKETCHES.format(name=name))
    op.execute(HORIZONS)


def downgrade() -> None:
    for name in ("horizons", *TIERS):
        op.execute(f"DROP TABLE {name}")
