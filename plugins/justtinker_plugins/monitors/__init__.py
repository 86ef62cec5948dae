"""Monitors: what looks at a step and its history and says when a run is not well."""

DEFAULT = ("thresholds", "early_stopping", "drift", "degenerate_groups", "reward_hacking", "grader_health")
"""Those of every bundled preset of RL, and of a replay that names none."""
