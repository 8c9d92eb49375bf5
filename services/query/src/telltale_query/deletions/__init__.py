"""Deleting many records by a filter: looked at first, then done step by step as a job."""
