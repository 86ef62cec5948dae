"""The parts of the local backend."""
