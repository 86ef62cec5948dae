"""Metric `my_plugin`: how often a response changes its mind. It is recorded, but no part of the reward."""

from __future__ import annotations

import re

from justtinker_core import Group, hookimpl, plugin


@plugin
class MyPlugin:
    """Count the words with which a model takes back what it has said."""

    words: tuple[str, ...] = ("wait", "actually", "hmm", "let me check")
    """The words to count, in any letter case."""

    def __post_init__(self) -> None:
        if not self.words:
            raise ValueError("words = []: there is nothing to count")
        self._pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, self.words))})\b", re.IGNORECASE)

    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float | None]]:
        """Return one number a rollout by metric, or None if there is nothing to measure. A step records the mean."""
        return {"my_plugin": [float(len(self._pattern.findall(rollout.text))) for rollout in group.rollouts]}
