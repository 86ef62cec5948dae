"""The parts of the `audit` command."""
