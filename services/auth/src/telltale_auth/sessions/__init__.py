"""Signing in and staying signed in: browser sessions, refresh tokens, access tokens."""
