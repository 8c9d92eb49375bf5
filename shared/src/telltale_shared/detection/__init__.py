"""The detector's model: pure, and used by the detector on the live stream and by query on stored readings."""
