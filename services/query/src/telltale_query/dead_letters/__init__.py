"""Dead letters: what could not be stored, with the reason."""
