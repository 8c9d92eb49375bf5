"""The ledger: the proof that nothing was lost."""
