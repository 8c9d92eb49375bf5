"""Migrations of the database ``telltale``, named by date and purpose."""
