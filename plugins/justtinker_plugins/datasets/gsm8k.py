"""GSM8K, grade-school word problems: ``openai/gsm8k`` (7,473 to train on, 1,319 to test).

The gold is what follows the last ``####``, without the commas in thousands. The worked solution before it is no
demonstration: it has no thinking block, and calculator notes (``<<48/2=24>>``) in it. Cobbe et al., 2021
(arXiv:2110.14168).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from justtinker_core import Problem, plugin
from justtinker_plugins.datasets._hub import HubSet, Row

if TYPE_CHECKING:
    from justtinker_core.types import DataSpec


@plugin
class Gsm8k(HubSet):
    """Word problems with a number as answer; metadata: ``steps``, the lines of the worked solution."""

    columns: ClassVar[tuple[str, ...]] = ("question", "answer")
    hub_config: ClassVar[str | None] = "main"

    source: str = "openai/gsm8k"
    """A hub id, or a local directory of the same shape."""
    split: str | None = None
    """train or test; by default what the table is for."""

    def problem(self, row: Row, spec: DataSpec) -> Problem | str:
        """The question with the number after ``####``."""
        work, marked, gold = row.text("answer").rpartition("####")
        answer = gold.replace(",", "").strip()
        if not marked or not answer:
            return "no answer after ####"
        steps = len([line for line in work.splitlines() if line.strip()])
        return Problem(f"gsm8k/{row.part.split}/{row.number}", row.text("question"), answer, meta={"steps": steps})
