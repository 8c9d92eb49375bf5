"""Anomalies: what the detector holds to be unusual, and what people say to it."""
