"""What the bridge to tinker-cookbook is made of."""
