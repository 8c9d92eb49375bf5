"""The REST interface over what Telltale has stored."""

__version__ = "0.1.0"
