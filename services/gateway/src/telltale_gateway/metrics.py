"""What the gateway counts."""

from prometheus_client import Counter, Gauge, Histogram

CLIENTS = Gauge("telltale_gateway_clients", "Open WebSocket connections")
SLOW = Gauge("telltale_gateway_slow_clients", "Connections whose client does not take what was sent")
SUBSCRIPTIONS = Gauge("telltale_gateway_subscriptions", "Different subscriptions, for each of which frames are made")
FRAMES = Counter("telltale_gateway_frames", "Frames handed to sockets")
AGE_SECONDS = Histogram(
    "telltale_gateway_age_seconds",
    "From the publishing of the newest message to its frame in the sockets' hands, by the clocks of both sides",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
DROPPED = Counter(
    "telltale_gateway_dropped", "Readings, anomalies and changes of alerts that slow clients were not told"
)
CLOSED = Counter("telltale_gateway_closed", "Connections that the gateway closed", ["code"])
MESSAGES = Counter("telltale_gateway_stream_messages", "Messages of the live stream", ["schema"])
MALFORMED = Counter("telltale_gateway_stream_malformed", "Messages of the live stream that were not understood")
DECODE_SECONDS = Counter("telltale_gateway_decode_seconds", "Time spent decoding messages of the live stream")
WINDOW_READINGS = Gauge("telltale_gateway_window_readings", "Readings held in memory")
