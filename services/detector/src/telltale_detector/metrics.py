"""What the detector counts."""

from prometheus_client import Counter, Gauge

SCORED = Counter("telltale_detector_readings_scored_total", "Readings scored")
LATE = Counter("telltale_detector_readings_late_total", "Readings ignored: not later than the one before")
REFUSED = Counter("telltale_detector_readings_refused_total", "Invalid readings, not scored")
MALFORMED = Counter("telltale_detector_messages_malformed_total", "Messages that could not be read")
UNSCORED = Counter("telltale_detector_messages_unscored_total", "Messages that left the stream before they were read")
ANOMALIES = Counter("telltale_detector_anomalies_total", "Anomalies found", ["kind"])
SERIES = Gauge("telltale_detector_series", "Series watched")
LAG = Gauge("telltale_detector_lag_seconds", "From published to scored, of the newest message")
OFFSET = Gauge("telltale_detector_stream_offset", "Offset of the last message handled")
CHECKPOINT_BYTES = Gauge("telltale_detector_checkpoint_bytes", "Size of the checkpoint")
