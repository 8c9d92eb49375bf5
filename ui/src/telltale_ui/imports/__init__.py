"""The parts of the Imports page."""
