"""The n-gram repetition penalty that people know from Open R1's TRL recipes. It counts words and no more.

`redundancy` is the recipe's own term, and catches loops without white space, too.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.rewards._gate import gated
from justtinker_plugins.shared.redundancy.ngrams import MAX_N, repeated_shares
from justtinker_plugins.shared.redundancy.reading import encode, read_texts


@plugin
class Repetition:
    """-(1 - distinct / total) of the response's word n-grams, lower-cased; 0 for fewer than n words.

    As Open R1's ``get_repetition_penalty_reward`` with ``max_penalty=-1`` (the weight does the rest), from appendix
    C.2 of "Demystifying Long Chain-of-Thought Reasoning", arXiv:2502.03373.
    """

    default_weight: ClassVar[float] = 0.1

    n: Annotated[int, Field(ge=1, le=MAX_N)] = 3
    """Words in a gram."""
    only_correct: bool = False
    """Apply to correct answers only; false, as there: to every rollout."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """`repetition`: a number in [-1, 0] a rollout, None where the gate leaves it out."""
        texts = read_texts([encode(rollout.text.lower()) for rollout in group.rollouts])
        shares = repeated_shares(texts, self.n, min_words=self.n)
        return {"repetition": gated(group, (0.0 - shares).tolist(), self.only_correct)}
