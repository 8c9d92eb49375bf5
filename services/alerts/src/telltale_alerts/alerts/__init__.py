"""Alerts: what fires, what has fired, and who looks after it."""
