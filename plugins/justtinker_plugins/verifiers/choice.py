r"""The verifier for multiple choice: one letter, and nothing else.

It reads ``B``, ``(B)``, ``B.``, ``[B]``, ``\text{(B)}``, ``\left(B\right)``, ``option B``, and ``(B) 42`` if 42 is what
the question calls B. An answer with anything more (``A or B``) is wrong: a policy that is paid for one of two letters
learns to write both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

from pydantic import Field

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.shared.answers import Pipeline, gold_text, judge_rollouts
from justtinker_plugins.shared.latex.options import without_choices_text
from justtinker_plugins.shared.letters import Letter, read_letter


@plugin
class Choice:
    """Compares a letter with the gold."""

    kinds: tuple[str, ...] = ("choice",)
    """Kinds of problems that it judges, as in `Problem.kind`."""
    pipeline: Pipeline = "strict"
    """strict: boxed answers only. flexible: without a box, also ``Answer: x``, ``#### x``, ``the answer is x``.
    gsm8k: ``#### x`` only."""
    choices: Annotated[str, Field(pattern="^[A-Z]+$")] = "ABCDE"
    """The letters to choose from."""
    case_sensitive: bool = False
    """Whether ``b`` and ``B`` differ."""
    max_chars: Annotated[int, Field(ge=1)] = 100
    """Longer answers are wrong."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Judge each rollout; all are unscored if the gold is not one of the letters."""
        if problem.kind not in self.kinds:
            return None
        text = gold_text(problem.answer)
        gold = read_letter(text, self.case_sensitive)
        gold_or_reason = gold if gold is not None and gold.text in self.choices else self._describe_bad_gold(text)

        def read(answer: str) -> Letter | None:
            return read_letter(without_choices_text(problem.question, text, answer), self.case_sensitive)

        return judge_rollouts(
            rollouts, self.pipeline, self.max_chars, gold_or_reason, partial(self._mismatch, read), partial(_vote, read)
        )

    def _describe_bad_gold(self, text: str) -> str:
        return f"the gold {text[:50]!r} is not one of the letters {self.choices}"

    def _mismatch(self, read: Callable[[str], Letter | None], gold: Letter, answer: str) -> str:
        chosen = read(answer)
        if chosen is None or chosen.text not in self.choices:
            return f"not one of the letters {self.choices}"
        return "" if chosen == gold else "not the gold's letter"


def _vote(read: Callable[[str], Letter | None], answer: str) -> str | None:
    chosen = read(answer)
    return chosen.text if chosen else None
