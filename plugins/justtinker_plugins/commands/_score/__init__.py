"""The parts of `score`."""
