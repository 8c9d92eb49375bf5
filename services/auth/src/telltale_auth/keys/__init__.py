"""API keys: how machines come in, with less than their owner may do."""
