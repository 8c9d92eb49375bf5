"""The parts of the Analytics page."""
