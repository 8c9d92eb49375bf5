"""What every part of Telltale agrees on."""

__version__ = "0.1.0"
