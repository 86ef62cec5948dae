"""The parts of `audit`."""
