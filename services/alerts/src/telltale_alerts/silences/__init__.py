"""Silences: what nobody is told of, until when and why."""
