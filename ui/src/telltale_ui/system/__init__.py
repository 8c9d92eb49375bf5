"""The parts of the System page that one can drill into: the ledger and the dead letters."""
