"""What the verifier `code` consists of."""
