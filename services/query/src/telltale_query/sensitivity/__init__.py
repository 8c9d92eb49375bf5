"""How sensitive each series is watched: set, tried on stored readings before that, and told to the detectors."""
