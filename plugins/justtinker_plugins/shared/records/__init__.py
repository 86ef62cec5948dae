"""A run's directory, read back."""
