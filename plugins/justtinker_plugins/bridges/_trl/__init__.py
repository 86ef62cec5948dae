"""What the bridge to TRL needs besides its functions."""
