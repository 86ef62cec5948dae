"""Monitors inspect each step and the history before it, and report when a run is not healthy."""

DEFAULT = ("thresholds", "early_stopping", "drift", "degenerate_groups", "reward_hacking", "grader_health")
"""The monitors of all bundled RL presets, and of a replay that names none."""
