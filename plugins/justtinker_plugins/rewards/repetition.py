"""Penalise repeated n-grams of words, as Open R1's TRL recipes do.

Scripts that put no spaces between words are counted by character. `redundancy` is JustTinker's own term.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.rewards._gate import gated
from justtinker_plugins.shared.redundancy.ngrams import MAX_N, repeated_shares
from justtinker_plugins.shared.redundancy.reading import encode

_NO_SPACES = re.compile(
    "(["
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Japanese kana
    "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
    "])"
)


@plugin
class Repetition:
    """Pays -(1 - distinct / total) of the response's word n-grams, in lower case; 0 for fewer than n words.

    It is Open R1's ``get_repetition_penalty_reward`` with ``max_penalty=-1`` (the weight scales it), from appendix C.2
    of "Demystifying Long Chain-of-Thought Reasoning", arXiv:2502.03373. In Chinese, Japanese, Thai, Lao, Burmese and
    Khmer, which have no spaces between words, every character counts as a word.
    """

    default_weight: ClassVar[float] = 0.1

    n: Annotated[int, Field(ge=1, le=MAX_N)] = 3
    """The number of words in an n-gram."""
    only_correct: bool = False
    """Apply to correct answers only; false: to every rollout, as in Open R1."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `repetition`: a number in [-1, 0] for each rollout, None where it does not apply."""
        texts = [encode(spaced(rollout.response.lower())) for rollout in group.rollouts]
        shares = repeated_shares(texts, self.n, min_words=self.n).shares
        return {"repetition": gated(group, (0.0 - shares).tolist(), self.only_correct)}


def spaced(text: str) -> str:
    """Put spaces around each character of a script that has none between words."""
    return text if text.isascii() else _NO_SPACES.sub(r" \1 ", text)
