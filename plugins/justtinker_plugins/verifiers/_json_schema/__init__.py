"""What the verifier `json_schema` stands on."""
