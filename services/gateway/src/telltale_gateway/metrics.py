"""What the gateway counts."""

from prometheus_client import Counter, Gauge

CLIENTS = Gauge("telltale_gateway_clients", "Open WebSocket connections")
FRAMES = Counter("telltale_gateway_frames", "Frames handed to sockets")
DROPPED = Counter("telltale_gateway_dropped", "Readings and anomalies that slow clients were not told")
CLOSED = Counter("telltale_gateway_closed", "Connections that the gateway closed", ["code"])
MESSAGES = Counter("telltale_gateway_stream_messages", "Messages of the live stream", ["schema"])
MALFORMED = Counter("telltale_gateway_stream_malformed", "Messages of the live stream that were not understood")
DECODE_SECONDS = Counter("telltale_gateway_decode_seconds", "Time spent decoding messages of the live stream")
WINDOW_READINGS = Gauge("telltale_gateway_window_readings", "Readings held in memory")
