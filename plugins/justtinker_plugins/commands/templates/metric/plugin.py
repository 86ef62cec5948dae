"""Metric `my_plugin`: how often a response changes its mind. It is measured, and pays nothing."""

from __future__ import annotations

import re

from justtinker_core import Group, hookimpl, plugin


@plugin
class MyPlugin:
    """Counts words with which a model takes back what it has said."""

    words: tuple[str, ...] = ("wait", "actually", "hmm", "let me check")
    """What is counted, in any letter case."""

    def __post_init__(self) -> None:
        if not self.words:
            raise ValueError("words = []: there is nothing to count")
        self._pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, self.words))})\b", re.IGNORECASE)

    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float | None]]:
        """Name -> one number a rollout, or None where there is nothing to measure. The step's record has the mean."""
        return {"my_plugin": [float(len(self._pattern.findall(rollout.text))) for rollout in group.rollouts]}
