"""The redundancy term: a correct answer that repeats itself loses up to the term's weight (0.3 in the recipe).

The whole response is scored, thinking, tags and answer, as in the recipe; only the stop string, which core has already
cut off, is not in it. What is measured is repetition, not whether the reasoning is any good.
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
    """Takes from a correct answer what its repetitions deserve: -max(score - threshold, 0) / (1 - threshold).

    With weight 0.3, threshold 0.3 and method exact this is JustTinker's penalty, to the last digit. See
    docs/redundancy.md for the three methods.
    """

    default_weight: ClassVar[float] = 0.3

    method: Literal["exact", "fast", "flat"] = "flat"
    """exact: the recipe's numbers, which grow with length; fast: close to them; flat: fines loops, not length."""
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """The score above which anything is taken; the three methods share one scale."""
    only_correct: bool = True
    """Apply to correct answers only, as the recipe does; false: to every rollout."""
    expected: tuple[float, float, float] = MATHEMATICS.expected
    """For flat: a, b, c of healthy text's log ratio a + b y + c y**2, where y = ln(characters / 8000)."""
    scale: Annotated[float, Field(gt=0)] = MATHEMATICS.scale
    """For flat: standard deviation of the log ratio about it. ``justtinker calibrate redundancy`` fits all four."""
    fitted: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = MATHEMATICS.fitted
    """For flat: shortest and longest text of the fit, in characters; outside, the value at the nearer end holds."""
    mask_digits: bool = MATHEMATICS.mask_digits
    """For flat: count 16-grams with every digit read as 0, so that loops that count are loops; false spares lists."""

    def __post_init__(self) -> None:
        if self.fitted[0] >= self.fitted[1]:
            raise ValueError(f"fitted = {list(self.fitted)}: the first length must be below the second")

    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float]]:
        """Of every rollout, right or wrong: `redundancy_score`, `redundancy_penalty` (in [0, 1], before the weight),
        what the score is made of, and with method exact `chunk_similarity`.
        """
        scores = self.score_batch([rollout.text for rollout in group.rollouts])
        return {name: values.tolist() for name, values in scores.items()}

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """`redundancy`: minus the penalty of each rollout, None where the gate leaves it out."""
        measured = group.measures if "redundancy_penalty" in group.measures else self.measure(group)
        raw = [-penalty if penalty else 0.0 for penalty in measured["redundancy_penalty"]]
        return {"redundancy": gated(group, raw, self.only_correct)}

    def score_batch(self, texts: Sequence[str]) -> exact.Scores:
        """What `measure` says, of any N texts: arrays (N,) by name. The quicker the more texts at once."""
        if self.method == "exact":
            scores = exact.score_batch(texts)
        elif self.method == "fast":
            scores = fast.score_batch(texts)
        else:
            healthy = Coefficients(self.expected, self.scale, self.fitted, self.mask_digits)
            scores = flat.score_batch(texts, healthy)
        excess = (scores["redundancy_score"] - self.threshold) / (1 - self.threshold)
        return scores | {"redundancy_penalty": np.maximum(excess, 0.0)}
