"""Exports: the records of a filter as one file, read in short pages and never held in memory."""
