"""The parts of the Tinker backend."""
