"""The parts of the `score` command."""
