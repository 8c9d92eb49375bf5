"""Accounts, sessions and access tokens of Telltale: the only holder of the signing key."""

__version__ = "0.1.0"
