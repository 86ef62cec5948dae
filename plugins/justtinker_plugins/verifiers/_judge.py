"""What the simple verifiers share: extract, compare, say what matched. What is equal is each one's own business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from justtinker_core import Rollout, Verdict
from justtinker_core.types import Outcome
from justtinker_plugins.text import last_boxed
from justtinker_plugins.verifiers._extract import Pipeline, extract

Gold = TypeVar("Gold")


def gold_text(answer: str | None) -> str:
    r"""A gold as it is to be read: what follows a last ``####`` (GSM8K), else what a last box holds, else all of it."""
    if answer is None:
        return ""
    if "####" in answer:
        return answer.rpartition("####")[2].strip()
    box = last_boxed(answer)
    return (answer if box is None else box.content or "").strip()


def judge(
    rollouts: Sequence[Rollout],
    pipeline: Pipeline,
    max_chars: int,
    gold: Gold | str,
    wrong: Callable[[Gold, str], str],
    vote: Callable[[str], str | None] = lambda answer: None,
) -> list[Verdict]:
    """One verdict a rollout. A gold that is a text says why it is unusable: all are unscored.

    `wrong(gold, answer)` says what is wrong with an answer, nothing for a right one; `vote(answer)` writes equal
    answers alike, and is None for what can only be taken as it is written.
    """
    if isinstance(gold, str):
        return [Verdict("unscored", rung="gold", reason=gold) for _ in rollouts]

    def verdict(rollout: Rollout) -> Verdict:
        found = extract(rollout.text, pipeline, max_chars)
        if found.answer is None:
            return Verdict("incorrect", None, f"extract {found.pipeline}".strip(), found.reason)
        reason = wrong(gold, found.answer)
        outcome: Outcome = "incorrect" if reason else "correct"
        return Verdict(outcome, found.answer, found.pipeline, reason, vote(found.answer))

    return [verdict(rollout) for rollout in rollouts]
