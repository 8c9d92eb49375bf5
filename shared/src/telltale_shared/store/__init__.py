"""The database ``telltale``: its tables, and the only way to change them.

Functions here take a connection and take part in the caller's transaction; none commits.
"""
