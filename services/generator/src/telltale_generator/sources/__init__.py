"""Where readings come from. Each source is pure: it does no I/O of its own and takes the clock as an argument."""

from telltale_generator.sources.source import Reading, SeriesName, Source

__all__ = ["Reading", "SeriesName", "Source"]
