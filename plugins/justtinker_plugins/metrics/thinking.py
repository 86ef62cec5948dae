r"""How often responses think and box their answer, and how long they think.

This only measures; what a missing block costs is for the reward `format`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from justtinker_core import Group, Rollout, hookimpl, plugin
from justtinker_plugins.text import CLOSE, OPEN, last_boxed, thinking_part


@plugin
class Thinking:
    r"""Three numbers a rollout.

    - ``thinking_rate``: 1.0 if the response starts with ``<think>`` and has a ``</think>``, else 0.0.
    - ``boxed_rate``: 1.0 if its last ``\boxed{…}`` is closed, else 0.0; wherever it stands.
    - ``thinking_tokens``: how many tokens stand between the tags, None where there is no such block. No tokenizer is
      at hand here, so it is an estimate: each tag is one token (as in the models that have them), and the response's
      other tokens are shared out by characters.
    """

    reads: ClassVar[tuple[str, ...]] = ("tokens",)

    @hookimpl
    def measure(self, group: Group) -> Mapping[str, Sequence[float | None]]:
        """Each name with one number a rollout (G,)."""
        return {
            "thinking_rate": [float(thinking_part(r.text) is not None) for r in group.rollouts],
            "boxed_rate": [float(has_box(r.text)) for r in group.rollouts],
            "thinking_tokens": [thinking_tokens(r) for r in group.rollouts],
        }


def has_box(text: str) -> bool:
    """Whether the last box of the text is closed."""
    box = last_boxed(text)
    return box is not None and box.content is not None


def thinking_tokens(rollout: Rollout) -> float | None:
    """Estimated tokens between the thinking tags; None without both tags."""
    thinking = thinking_part(rollout.text)
    if not thinking:
        return None if thinking is None else 0.0
    return (rollout.response_tokens - 2) * len(thinking) / (len(rollout.text) - len(OPEN) - len(CLOSE))
