"""What the verifier `instructions` stands on."""
