"""How sensitive each series is watched, and a way to count verdicts."""

from alembic import op

revision = "2026_11_24_sensitivity"
down_revision = "2026_11_24_jobs"


def upgrade() -> None:
    op.execute("""
CREATE TABLE IF NOT EXISTS sensitivities (
  series_id INT UNSIGNED NOT NULL,
  threshold DOUBLE NOT NULL,
  -- Verdicts given before it no longer count.
  verdicts_from DATETIME(6) NULL,
  set_by VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
  set_at DATETIME(6) NOT NULL,
  PRIMARY KEY (series_id)
) ENGINE=InnoDB
""")
    op.execute("ALTER TABLE anomalies ADD KEY IF NOT EXISTS verdict (verdict, series_id, kind)")


def downgrade() -> None:
    op.execute("ALTER TABLE anomalies DROP KEY verdict")
    op.execute("DROP TABLE sensitivities")
