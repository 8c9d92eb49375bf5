"""Stores every confirmed reading exactly once."""

__version__ = "0.1.0"
