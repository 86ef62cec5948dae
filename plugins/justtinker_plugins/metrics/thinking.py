r"""Measure how often responses think and box their answer, and how long they think.

What a missing thinking block costs is for the reward `format`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from justtinker_core import Group, Rollout, hookimpl, plugin
from justtinker_plugins.text import CLOSE, OPEN, last_boxed, thinking_part, thinks


@plugin
class Thinking:
    r"""Measures how often responses think and box their answer, and how long they think.

    - ``thinking_rate``: 1.0 if the response starts with ``<think>``, or the prompt has opened it, and has a
      ``</think>``; else 0.0.
    - ``boxed_rate``: 1.0 if its last ``\boxed{…}``, wherever it is, is closed, else 0.0.
    - ``thinking_tokens``: the number of tokens between the tags, None without a block. It is an estimate, as metrics
      have no tokenizer: each tag counts as one token (as in models that have them), and the other tokens of the
      response are shared out by characters.
    """

    reads: ClassVar[tuple[str, ...]] = ("tokens",)

    @hookimpl
    def measure(self, group: Group) -> Mapping[str, Sequence[float | None]]:
        """Return one number for each rollout (G,), by name."""
        return {
            "thinking_rate": [float(thinks(r)) for r in group.rollouts],
            "boxed_rate": [float(has_box(r.text)) for r in group.rollouts],
            "thinking_tokens": [thinking_tokens(r) for r in group.rollouts],
        }


def has_box(text: str) -> bool:
    """Whether the last box of the text is closed."""
    box = last_boxed(text)
    return box is not None and box.content is not None


def thinking_tokens(rollout: Rollout) -> float | None:
    """Estimate the number of tokens between the thinking tags; None without both tags."""
    if not thinks(rollout):
        return None
    thinking = thinking_part(rollout.response)
    tags = [tag for tag in (OPEN, CLOSE) if tag not in rollout.opened]
    others = len(rollout.text) - sum(map(len, tags))
    return (rollout.response_tokens - len(tags)) * len(thinking) / others if thinking else 0.0
