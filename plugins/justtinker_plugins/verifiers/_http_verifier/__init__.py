"""What `http_verifier` is made of."""
