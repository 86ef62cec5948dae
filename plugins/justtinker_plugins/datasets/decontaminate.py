"""Drop training problems that are in an evaluation set, word for word or nearly so.

``justtinker check`` finds and shows such problems in every run; only this plugin drops them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from justtinker_core import RunContext, hookimpl, plugin
from justtinker_plugins.shared.overlap import overlaps


@plugin
class Decontaminate:
    """Drops training problems whose questions overlap with an evaluation question; loads nothing itself."""

    words: Annotated[int, Field(ge=1)] = 8
    """Number of consecutive words that make a piece."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Drop a training problem that holds at least this share of an evaluation question's pieces."""

    @hookimpl
    def drop_problems(self, run: RunContext) -> dict[str, str]:
        """The training problems that overlap, each with the evaluation set that it is nearest to."""
        found = list(overlaps(run.train_problems, run.eval_problems, self.words, self.share))
        return {each.train.id: f"overlaps with [data.eval.{each.set}]" for each in reversed(found)}
