"""GSM8K, grade-school word problems: ``openai/gsm8k`` (7,473 to train on, 1,319 to test).

The gold answer is what follows the last ``####``, without thousands separators. The worked solution before it is not
used as a demonstration: it has no thinking block, and has calculator notes (``<<48/2=24>>``). Cobbe et al., 2021
(arXiv:2110.14168).
"""

from __future__ import annotations

from typing import ClassVar

from justtinker_core import DataSpec, NameOrPath, Problem, plugin
from justtinker_plugins.datasets._hub import HubSet, Row


@plugin
class Gsm8k(HubSet):
    """Word problems with numbers as answers; metadata: ``steps``, the number of lines of the worked solution."""

    columns: ClassVar[tuple[str, ...]] = ("question", "answer")
    hub_config: ClassVar[str | None] = "main"

    source: NameOrPath = "openai/gsm8k"
    """A hub id, or a directory with a copy of the set."""
    split: str | None = None
    """train or test. Default: train in a table for training, test in one for evaluation."""

    def problem(self, row: Row, spec: DataSpec) -> Problem | str:
        """The question with the number after ``####``."""
        work, marked, gold = row.text("answer").rpartition("####")
        answer = gold.replace(",", "").strip()
        if not marked or not answer:
            return "no answer after ####"
        steps = len([line for line in work.splitlines() if line.strip()])
        return Problem(f"gsm8k/{row.part.split}/{row.number}", row.text("question"), answer, meta={"steps": steps})
