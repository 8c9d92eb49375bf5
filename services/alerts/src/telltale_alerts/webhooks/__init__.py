"""Webhooks: who else is told, by HTTP."""
