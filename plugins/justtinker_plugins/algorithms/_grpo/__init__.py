"""What the algorithm `grpo` is made of: its losses' settings, its normalisations, its rounds, and working ahead."""
