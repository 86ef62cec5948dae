"""Groups for the tests of rewards: texts with the verdicts that they are to have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from justtinker_core import Group, Problem, Prompt, Rollout, Verdict
from justtinker_core.types import Outcome


def group_of(
    texts: Sequence[str], outcomes: Sequence[Outcome] | None = None, tokens: Sequence[int] | None = None, told: int = 0
) -> Group:
    """One rollout a text, all correct and one token a character unless said otherwise; a tool wrote `told` more."""
    outcomes = outcomes or ["correct"] * len(texts)
    rollouts = []
    for text, size in zip(texts, tokens or map(len, texts), strict=True):
        total = size + told
        rollouts.append(Rollout((0,) * total, (0.0,) * total, (True,) * size + (False,) * told, text))
    verdicts = tuple(Verdict(outcome) for outcome in outcomes)
    return Group(1, 0, Problem("1", "1+1=?", "2"), Prompt(), tuple(rollouts), verdicts)


def scored(plugin: Any, *args: Any, **kwargs: Any) -> list[float | None]:
    """The plugin's only term for `group_of(…)`."""
    (values,) = plugin.score(group_of(*args, **kwargs)).values()
    return list(values)
