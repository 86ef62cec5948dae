"""How groups get to the actors of a Ray cluster, and verdicts back."""
