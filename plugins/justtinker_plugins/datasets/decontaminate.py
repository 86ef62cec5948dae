"""Leaves out of training what stands in an evaluation set, word for word or nearly so.

``justtinker check`` looks for such problems in every run and shows them; only this plugin drops them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from justtinker_core import hookimpl, plugin
from justtinker_plugins.shared.overlap import overlaps

if TYPE_CHECKING:
    from justtinker_core.run import Run


@plugin
class Decontaminate:
    """Compares every training question with every evaluation question; loads nothing itself."""

    words: Annotated[int, Field(ge=1)] = 8
    """Words that follow one another and count as one piece."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of an evaluation question's pieces: a training problem that holds as many is dropped."""

    @hookimpl
    def drop_problems(self, run: Run) -> dict[str, str]:
        """The training problems that overlap, and with which set (the nearest of several)."""
        found = list(overlaps(run.train_problems, run.eval_problems, self.words, self.share))
        return {each.train.id: f"overlaps with [data.eval.{each.set}]" for each in reversed(found)}
