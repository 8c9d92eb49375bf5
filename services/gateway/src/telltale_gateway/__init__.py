"""Fans the live stream out over WebSocket: history first, then what happens now, without a seam."""

__version__ = "0.1.0"
