"""The parts of the dialog that exports records."""
