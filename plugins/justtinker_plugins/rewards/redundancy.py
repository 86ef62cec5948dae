"""Penalise redundancy: a correct answer that repeats itself loses up to the term's weight (0.3 in the recipe).

It scores the whole response, thinking, tags and answer, as the recipe does; only the stop string, which core cuts off,
is missing. It measures repetition, not whether the reasoning is any good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.rewards._gate import gated
from justtinker_plugins.shared.redundancy import exact, fast, flat
from justtinker_plugins.shared.redundancy.flat import MATHEMATICS, Coefficients


@plugin
class Redundancy:
    """Penalises a correct answer for its repetitions: -max(score - threshold, 0) / (1 - threshold).

    With weight 0.3, threshold 0.3 and method exact this is JustTinker's penalty, to the last digit.
    docs/redundancy.md explains the three methods.
    """

    default_weight: ClassVar[float] = 0.3

    method: Literal["exact", "fast", "flat"] = "flat"
    """exact: the recipe's score, which grows with length; fast: close to it; flat: penalises loops, not length."""
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """The score above which the penalty begins; the three methods share one scale."""
    only_correct: bool = True
    """Apply to correct answers only, as in the recipe; false: to every rollout."""
    expected: tuple[float, float, float] = MATHEMATICS.expected
    """For flat: a, b, c of healthy text's log ratio a + b y + c y**2, where y = ln(characters / 8000)."""
    scale: Annotated[float, Field(gt=0)] = MATHEMATICS.scale
    """For flat: standard deviation of the log ratio around it. ``justtinker calibrate redundancy`` fits all four."""
    fitted: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = MATHEMATICS.fitted
    """For flat: shortest and longest text of the fit, in characters; beyond, the value at that end applies."""
    mask_digits: bool = MATHEMATICS.mask_digits
    """For flat: read every digit as 0 in the 16-grams, which catches loops that count; false spares numbered lists."""
    vocabulary: bool = MATHEMATICS.vocabulary
    """For flat: also fine a text that keeps using the same words, which catches loops of synonyms."""

    def __post_init__(self) -> None:
        if self.fitted[0] >= self.fitted[1]:
            raise ValueError(f"fitted = {list(self.fitted)}: the first length must be below the second")

    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float]]:
        """Measure every rollout, right or wrong.

        Returns `redundancy_score`, `redundancy_penalty` (in [0, 1], before the weight), the parts of the score and,
        with method exact, `chunk_similarity`.
        """
        scores = self.score_batch([rollout.response for rollout in group.rollouts])
        return {name: values.tolist() for name, values in scores.items()}

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `redundancy`: the negative penalty of each rollout, or None where it does not apply."""
        measured = group.measures if "redundancy_penalty" in group.measures else self.measure(group)
        raw = [-penalty if penalty else 0.0 for penalty in measured["redundancy_penalty"]]
        return {"redundancy": gated(group, raw, self.only_correct)}

    def score_batch(self, texts: Sequence[str]) -> exact.Scores:
        """Measure any N texts: arrays (N,) by name. Many texts at once are faster."""
        if self.method == "exact":
            scores = exact.score_batch(texts)
        elif self.method == "fast":
            scores = fast.score_batch(texts)
        else:
            healthy = Coefficients(self.expected, self.scale, self.fitted, self.mask_digits, self.vocabulary)
            scores = flat.score_batch(texts, healthy)
        excess = (scores["redundancy_score"] - self.threshold) / (1 - self.threshold)
        return scores | {"redundancy_penalty": np.maximum(excess, 0.0)}
