"""What Prometheus is told about jobs."""

from prometheus_client import Counter, Gauge

RUNNING = Gauge("telltale_jobs_running", "Jobs that this process works on")
ENDED = Counter("telltale_jobs_ended", "Jobs that ended here", ["kind", "state"])
