"""Scores every reading of the live stream and says, in words, what is unusual and why."""

__version__ = "0.1.0"
