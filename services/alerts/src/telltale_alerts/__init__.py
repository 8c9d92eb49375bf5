"""Rules over the live stream: what fires, who is told, and who has seen it."""

__version__ = "0.1.0"
