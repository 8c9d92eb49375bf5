"""Publishes readings: numbered, spooled, confirmed."""

__version__ = "0.1.0"
