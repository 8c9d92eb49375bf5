"""The tables of the database ``telltale`` as SQLAlchemy sees them. The migrations of the writer create them."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    Double,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
)
from sqlalchemy.dialects.mysql import BIGINT, DATETIME, INTEGER

SCHEMA_VERSION = "2026_11_24_backlogs"
"""The migration that this code was written for."""

metadata = MetaData()

UNSIGNED = INTEGER(unsigned=True)
BIG = BIGINT(unsigned=True)
INSTANT = DATETIME(fsp=6)
"""UTC with microseconds; naive in Python, as the driver gives it."""

series = Table(
    "series",
    metadata,
    Column("id", UNSIGNED, primary_key=True),
    Column("source", String(100), nullable=False),
    Column("category", String(100), nullable=False),
    Column("unit", String(32)),
    Column("origin", Double, nullable=False),
    Column("created_at", INSTANT, nullable=False),
)

records = Table(
    "records",
    metadata,
    Column("series_id", UNSIGNED, nullable=False),
    Column("observed_at", INSTANT, nullable=False),
    Column("value", Double, nullable=False),
    Column("import_id", UNSIGNED),
    Column("note", String(500)),
    PrimaryKeyConstraint("series_id", "observed_at"),
)

series_latest = Table(
    "series_latest",
    metadata,
    Column("series_id", UNSIGNED, primary_key=True),
    Column("observed_at", INSTANT, nullable=False),
    Column("value", Double, nullable=False),
)


def _rollup(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("series_id", UNSIGNED, nullable=False),
        Column("bucket", DATETIME(), nullable=False),
        Column("count", BIG, nullable=False),
        Column("total", Double, nullable=False),
        Column("total_squares", Double, nullable=False),
        Column("minimum", Double, nullable=False),
        Column("maximum", Double, nullable=False),
        PrimaryKeyConstraint("series_id", "bucket"),
    )


# ``total`` is the sum of the values; ``total_squares`` the sum of (value - series.origin)².
rollups_minute = _rollup("rollups_minute")
rollups_hour = _rollup("rollups_hour")
rollups_day = _rollup("rollups_day")


def _sketches(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("series_id", UNSIGNED, nullable=False),
        Column("bucket", DATETIME(), nullable=False),
        Column("bins", LargeBinary, nullable=False),
        PrimaryKeyConstraint("series_id", "bucket"),
    )


# ``bins``: see telltale_shared.store.sketches.
sketches_minute = _sketches("sketches_minute")
sketches_hour = _sketches("sketches_hour")
sketches_day = _sketches("sketches_day")

horizons = Table(
    "horizons",
    metadata,
    Column("table_name", String(64), primary_key=True),
    # Rows from then on are whole; of what is older, retention has dropped some, and only rollups answer.
    Column("rows_from", DATETIME(), nullable=False),
)

producers = Table(
    "producers",
    metadata,
    Column("id", UNSIGNED, primary_key=True),
    Column("producer", String(64), nullable=False),
    Column("service", String(64), nullable=False),
    # As the producer's heartbeats say.
    Column("published", BIG, nullable=False),
    Column("confirmed", BIG, nullable=False),
    Column("dropped", BIG, nullable=False),
    Column("closed", Boolean, nullable=False),
    # As the writer has settled: every number up to the watermark, and those in ``deliveries`` above it.
    Column("watermark", BIG, nullable=False),
    # Confirmed before a delivery that has itself been settled: by the order of the queue these must have been too.
    Column("proven", BIG, nullable=False),
    # Numbers up to ``proven`` that are not settled.
    Column("missing", BIG, nullable=False),
    Column("stored", BIG, nullable=False),
    Column("repeated", BIG, nullable=False),
    Column("dead", BIG, nullable=False),
    Column("redelivered", BIG, nullable=False),
    Column("first_seen_at", INSTANT, nullable=False),
    Column("seen_at", INSTANT, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("producer_id", UNSIGNED, nullable=False),
    Column("first", BIG, nullable=False),
    Column("last", BIG, nullable=False),
    PrimaryKeyConstraint("producer_id", "first"),
)

producer_days = Table(
    "producer_days",
    metadata,
    Column("producer_id", UNSIGNED, nullable=False),
    Column("day", Date, nullable=False),
    # By how much each figure of the producer changed on that UTC day. May be negative: what was missing may turn up.
    Column("published", BIGINT, nullable=False),
    Column("confirmed", BIGINT, nullable=False),
    Column("stored", BIGINT, nullable=False),
    Column("repeated", BIGINT, nullable=False),
    Column("dead", BIGINT, nullable=False),
    Column("missing", BIGINT, nullable=False),
    Column("dropped", BIGINT, nullable=False),
    Column("redelivered", BIGINT, nullable=False),
    PrimaryKeyConstraint("producer_id", "day"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("reason", String(32), nullable=False),
    Column("detail", String(500), nullable=False),
    Column("producer", String(64)),
    # The numbers it covers: ``count`` of them from ``number`` on; no number where the message named none.
    Column("number", BIG),
    Column("count", UNSIGNED, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("arrived_at", INSTANT, nullable=False),
    Column("resolution", String(16)),
    Column("resolved_by", String(100)),
    Column("resolved_at", INSTANT),
)

anomalies = Table(
    "anomalies",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("series_id", UNSIGNED, nullable=False),
    Column("observed_at", INSTANT, nullable=False),
    Column("detector", String(32), nullable=False),
    Column("version", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("value", Double, nullable=False),
    Column("score", Double, nullable=False),
    Column("expected_low", Double, nullable=False),
    Column("expected_high", Double, nullable=False),
    Column("explanation", String(1000), nullable=False),
    Column("detected_at", INSTANT, nullable=False),
    # ``confirmed`` or ``dismissed`` by a person; none yet where null.
    Column("verdict", String(16)),
    Column("verdict_by", String(100)),
    Column("verdict_at", INSTANT),
)

sensitivities = Table(
    "sensitivities",
    metadata,
    Column("series_id", UNSIGNED, primary_key=True),
    # The score from which on anomalies of the series are marked.
    Column("threshold", Double, nullable=False),
    # Verdicts given before it no longer count.
    Column("verdicts_from", INSTANT),
    Column("set_by", String(100), nullable=False),
    Column("set_at", INSTANT, nullable=False),
)

record_edits = Table(
    "record_edits",
    metadata,
    Column("series_id", UNSIGNED, nullable=False),
    Column("observed_at", INSTANT, nullable=False),
    Column("revision", UNSIGNED, nullable=False),
    Column("edited_by", String(100), nullable=False),
    Column("edited_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("series_id", "observed_at"),
)

service_instances = Table(
    "service_instances",
    metadata,
    Column("instance", String(128), primary_key=True),
    Column("service", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("started_at", INSTANT, nullable=False),
    Column("seen_at", INSTANT, nullable=False),
    Column("health", String(16), nullable=False),
    Column("memory_bytes", BIG, nullable=False),
    Column("dependencies", JSON, nullable=False),
    Column("figures", JSON, nullable=False),
)

system_logs = Table(
    "system_logs",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("at", INSTANT, primary_key=True),
    Column("service", String(64), nullable=False),
    Column("instance", String(128), nullable=False),
    Column("level", String(16), nullable=False),
    Column("logger", String(100), nullable=False),
    Column("message", String(1000), nullable=False),
    Column("request_id", String(64)),
    Column("fields", JSON, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("at", INSTANT, nullable=False),
    Column("actor_id", String(64), nullable=False),
    Column("actor_name", String(100), nullable=False),
    # What was done, as ``record.create``, ``record.edit``, ``record.delete``, ``anomaly.judge`` …
    Column("action", String(64), nullable=False),
    Column("target", String(255), nullable=False),
    Column("before", JSON),
    Column("after", JSON),
    Column("outcome", String(16), nullable=False),
    Column("request_id", String(64)),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", BIG, primary_key=True),
    # ``import``, ``import_undo``, ``export``, ``record_deletion`` …
    Column("kind", String(32), nullable=False),
    # ``queued``, ``running``, ``done``, ``failed`` or ``cancelled``.
    Column("state", String(16), nullable=False),
    Column("phase", String(32)),
    Column("parameters", JSON, nullable=False),
    Column("result", JSON),
    # Why it failed, as a person can act on it.
    Column("problem", String(1000)),
    Column("rows_done", BIG, nullable=False),
    Column("rows_total", BIG),
    # Rows a second: lately while it runs, altogether once it is done.
    Column("rate", Double),
    Column("cancel_requested", Boolean, nullable=False),
    Column("attempts", UNSIGNED, nullable=False),
    # Whoever holds the lease works on it; when the lease runs out, another goes on.
    Column("lease_owner", String(128)),
    Column("lease_until", INSTANT),
    Column("created_by", String(64), nullable=False),
    Column("created_by_name", String(100), nullable=False),
    Column("request_id", String(64)),
    Column("created_at", INSTANT, nullable=False),
    Column("started_at", INSTANT),
    Column("updated_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT),
)

job_files = Table(
    "job_files",
    metadata,
    Column("job_id", BIG, nullable=False),
    Column("piece", UNSIGNED, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("job_id", "piece"),
)

imports = Table(
    "imports",
    metadata,
    Column("id", UNSIGNED, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("job_id", BIG, nullable=False),
    Column("undo_job_id", BIG),
    Column("file_name", String(255), nullable=False),
    Column("file_bytes", BIG, nullable=False),
    Column("sha256", LargeBinary(32)),
    Column("options", JSON, nullable=False),
    # Why what had been stored by then is being taken back.
    Column("problem", String(1000)),
    Column("rows_read", BIG, nullable=False),
    Column("rows_good", BIG, nullable=False),
    Column("rows_bad", BIG, nullable=False),
    # Of the good ones: new records, records that were there with this value, those that were there with another value
    # and kept it, and those that took the new one.
    Column("rows_stored", BIG, nullable=False),
    Column("rows_repeated", BIG, nullable=False),
    Column("rows_kept", BIG, nullable=False),
    Column("rows_replaced", BIG, nullable=False),
    # By undo: stored ones that were removed, replaced ones that got their old value back, those left since somebody
    # had edited them.
    Column("rows_undone", BIG, nullable=False),
    Column("rows_restored", BIG, nullable=False),
    Column("rows_left", BIG, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("created_by_name", String(100), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("apply_began_at", INSTANT),
    Column("finished_at", INSTANT),
    Column("undone_by_name", String(100)),
    Column("undone_at", INSTANT),
)

import_chunks = Table(
    "import_chunks",
    metadata,
    Column("import_id", UNSIGNED, nullable=False),
    Column("run", UNSIGNED, nullable=False),
    Column("chunk", UNSIGNED, nullable=False),
    Column("row_count", UNSIGNED, nullable=False),
    Column("applied", Boolean, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    PrimaryKeyConstraint("import_id", "run", "chunk"),
)

import_series = Table(
    "import_series",
    metadata,
    Column("import_id", UNSIGNED, nullable=False),
    Column("position", UNSIGNED, nullable=False),
    Column("series_id", UNSIGNED),
    Column("source", String(100), nullable=False),
    Column("category", String(100), nullable=False),
    Column("unit", String(32)),
    Column("first_at", INSTANT, nullable=False),
    Column("last_at", INSTANT, nullable=False),
    Column("row_count", BIG, nullable=False),
    PrimaryKeyConstraint("import_id", "position"),
)

import_errors = Table(
    "import_errors",
    metadata,
    Column("import_id", UNSIGNED, nullable=False),
    Column("number", UNSIGNED, nullable=False),
    Column("line", BIG, nullable=False),
    Column("column_name", String(100)),
    Column("value", String(200)),
    Column("reason", String(500), nullable=False),
    PrimaryKeyConstraint("import_id", "number"),
)

import_replacements = Table(
    "import_replacements",
    metadata,
    Column("import_id", UNSIGNED, nullable=False),
    Column("series_id", UNSIGNED, nullable=False),
    Column("observed_at", INSTANT, nullable=False),
    # As they were before.
    Column("value", Double, nullable=False),
    Column("note", String(500)),
    Column("record_import_id", UNSIGNED),
    # When it had last been edited by then.
    Column("edited_at", INSTANT),
    # Of the record once it was replaced, then once it was restored: a higher one says that somebody edited it since.
    Column("revision", UNSIGNED, nullable=False),
    # Whether undo has been here.
    Column("settled", Boolean, nullable=False),
    PrimaryKeyConstraint("import_id", "series_id", "observed_at"),
)
