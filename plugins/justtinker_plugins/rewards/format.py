"""Penalise a correct answer without a proper thinking block: it loses the term's weight (0.1 in the recipe).

Whether the answer is right is for `correct`, whether it is boxed for `boxed`.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Group, Rollout, hookimpl, plugin
from justtinker_plugins.rewards._gate import gated
from justtinker_plugins.text import CLOSE, OPEN, last_boxed, letters_and_digits, says_something

# Everything that reads as a thinking tag, however it is written: <THINK>, </ think >, <think id="2">.
_TAG = re.compile(r"<\s*(?:/\s*)?think(?![^\W_])[^<>]*>", re.IGNORECASE)


def problem_of(rollout: Rollout, min_thinking: int = 3, markers: tuple[str, ...] = ()) -> str | None:
    """Say what is wrong with the format of a rollout; None if nothing is.

    A thinking block that the prompt has opened is the response's own. If the prompt has closed it, thinking is off: the
    right format is then an answer without tags.
    """
    if CLOSE not in rollout.opened:
        return problem_with(rollout.response, min_thinking, markers)
    if any(marker in rollout.text for marker in markers):
        return "a control token inside the response"
    if _TAG.search(rollout.text):
        return "a thinking tag, though the prompt turns thinking off"
    return None if _answers(rollout.text) else "no answer"


def _answers(answer: str) -> bool:
    """Whether an answer says something, also inside its last box if it has one."""
    box = last_boxed(answer)
    return says_something(answer if box is None else box.content or "")


def problem_with(text: str, min_thinking: int = 3, markers: tuple[str, ...] = ()) -> str | None:
    r"""Say what is wrong with the format of a response; None if nothing is.

    The right format is ``<think>…</think>…``: one block, at the start (after white space at most), with at least
    `min_thinking` letters or digits; then an answer with a letter, digit or sign in it, also inside its last
    ``\boxed{…}`` if it has one. None of the `markers` may occur.
    """
    if any(marker in text for marker in markers):
        return "a control token inside the response"
    tags = _TAG.findall(text)
    if not tags:
        return "no thinking block"
    if tags != [OPEN, CLOSE]:
        return "not exactly one <think> and one </think> after it"
    before, _, rest = text.partition(OPEN)
    thinking, _, answer = rest.partition(CLOSE)
    if before.strip():
        return "text before the thinking block"
    if sum(1 for _ in islice(letters_and_digits(thinking), min_thinking)) < min_thinking:
        return "an empty thinking block"
    return None if _answers(answer) else "no answer after the thinking block"


@plugin
class Format:
    """Pays 0 for a proper thinking block and -1 without: JustTinker's format term (where any ``</think>`` will do).

    It is stricter than the recipe, and than TRL's ``think_format_reward``, which accepts ``<think></think>hi``: a
    policy finds such gaps.
    """

    default_weight: ClassVar[float] = 0.1

    only_correct: bool = True
    """Apply to correct answers only, as in the recipe; false: to every rollout."""
    min_thinking: Annotated[int, Field(ge=1)] = 3
    """The fewest letters and digits in the thinking block; the default of 3 just allows ``1+2=3``."""
    markers: tuple[str, ...] = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
    """Control tokens that must not occur in a response: they mark its end, so nothing may follow them."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `format`: 0 or -1 for each rollout, None where it does not apply."""
        problems = [problem_of(rollout, self.min_thinking, self.markers) for rollout in group.rollouts]
        return {"format": gated(group, [-1.0 if problem else 0.0 for problem in problems], self.only_correct)}
