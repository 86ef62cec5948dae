r"""Extract the answer of a response, the same way for every verifier. Nothing here says whether it is right.

Only what follows the last ``</think>`` counts, and a response whose ``<think>`` stays open has no answer. There is no
fallback: if the last box is empty, unclosed or too long, there is no answer, whatever comes before it, and a number
somewhere in the prose never is one.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from justtinker_core import Rollout, Verdict
from justtinker_core.types import Outcome
from justtinker_plugins.text import answer_part, last_boxed, visible

Gold = TypeVar("Gold")
Pipeline = Literal["strict", "flexible", "gsm8k"]
"""strict: only the last ``\\boxed{…}``. flexible: without a box, also `Answer: x`, `#### x`, `the answer is x`.
gsm8k: only `#### x`."""

_MARKERS = {
    "flexible": re.compile(
        r"(?P<hashes>####)|\banswer\b[ \t]*(?:(?P<label>(?:\*{1,2}[ \t]*)?:)|(?P<sentence>is\b[ \t]*:?))", re.IGNORECASE
    ),
    "gsm8k": re.compile(r"(?P<hashes>####)"),
}
_EXPECTED = {
    "strict": r"\boxed{…}",
    "flexible": r"\boxed{…}, 'Answer:', '####' or 'the answer is'",
    "gsm8k": "'####'",
}
_MARKER_NAMES = {"hashes": "####", "label": "Answer:", "sentence": "answer is"}
_SENTENCE_END = re.compile(r"\.(?=\s|\**$)")


@dataclass(frozen=True, slots=True)
class Extracted:
    """An answer as the response writes it, without surrounding white space; or why there is none."""

    answer: str | None
    pipeline: str = ""
    """What matched: ``boxed``, or for flexible also ``Answer:``, ``####``, ``answer is``. Empty if nothing did."""
    reason: str = ""
    """Why there is no answer; empty if there is one."""


def extract(text: str, pipeline: Pipeline, max_chars: int) -> Extracted:
    """Extract the answer of a response; one longer than `max_chars` is refused. Linear in the text; never raises."""
    answer_text = answer_part(text)
    if answer_text is None:
        return Extracted(None, reason="a <think> is never closed")
    found = _boxed_answer(answer_text, max_chars) if pipeline != "gsm8k" else None
    if found is None and pipeline != "strict":
        found = _marked_answer(answer_text, _MARKERS[pipeline], max_chars)
    return found or Extracted(None, reason=f"no {_EXPECTED[pipeline]} in the answer")


def _boxed_answer(answer_text: str, max_chars: int) -> Extracted | None:
    box = last_boxed(answer_text)
    if box is None:
        return None
    if box.content is None:
        return Extracted(None, "boxed", r"the last \boxed{…} is never closed")
    return _check_answer(_unwrap_box(box.content.strip()[: max_chars + 1]), "boxed", max_chars)


def _unwrap_box(content: str) -> str:
    r"""Unwrap a box inside a box: ``\boxed{5}`` is 5. Nobody means a third one."""
    for _ in range(2):
        inner = last_boxed(content) if content.startswith("\\boxed") and content.endswith("}") else None
        if inner is None or inner.start or inner.opened > 2 or inner.content is None:
            break
        content = inner.content.strip()
    return content


def _marked_answer(answer_text: str, marker: re.Pattern[str], max_chars: int) -> Extracted | None:
    """Extract what follows the last marker, up to the end of its sentence or line."""
    found = deque(marker.finditer(answer_text), maxlen=1)
    if not found:
        return None
    last = found.pop()
    line = answer_text[last.end() :].lstrip("* \t\r\n")[: max_chars + 100].partition("\n")[0]
    sentence = _SENTENCE_END.split(line, maxsplit=1)[0]
    return _check_answer(_without_markup(sentence), _MARKER_NAMES[last.lastgroup or ""], max_chars)


def _without_markup(text: str) -> str:
    """Remove Markdown stars and dollar signs around a text."""
    text = text.strip(" \t\r*")
    if text.startswith("$") and text.endswith("$"):
        text = text.strip("$")
    return text.strip()


def _check_answer(answer: str, pipeline: str, max_chars: int) -> Extracted:
    where = r"the last \boxed{…}" if pipeline == "boxed" else f"what follows {pipeline!r}"
    if not visible(answer):
        return Extracted(None, pipeline, f"{where} is empty")
    if len(answer) > max_chars:
        return Extracted(None, pipeline, f"{where} is longer than {max_chars} characters")
    return Extracted(answer, pipeline)


def gold_text(answer: str | None) -> str:
    r"""Read a gold: what follows its last ``####`` (GSM8K), else the content of its last box, else all of it."""
    if answer is None:
        return ""
    if "####" in answer:
        return answer.rpartition("####")[2].strip()
    box = last_boxed(answer)
    return (answer if box is None else box.content or "").strip()


def judge_rollouts(
    rollouts: Sequence[Rollout],
    pipeline: Pipeline,
    max_chars: int,
    gold: Gold | str,
    mismatch: Callable[[Gold, str], str],
    vote: Callable[[str], str | None] = lambda answer: None,
) -> list[Verdict]:
    """Judge each rollout. If `gold` is a text, it says why the gold is unusable, and all rollouts are unscored.

    `mismatch(gold, answer)` returns why an answer is wrong, "" if it is right. `vote(answer)` writes equal answers
    alike; it returns None for an answer that only equals itself as written.
    """
    if isinstance(gold, str):
        return [Verdict("unscored", rung="gold", reason=gold) for _ in rollouts]

    def verdict(rollout: Rollout) -> Verdict:
        found = extract(rollout.response, pipeline, max_chars)
        if found.answer is None:
            return Verdict("incorrect", None, f"extract {found.pipeline}".strip(), found.reason)
        reason = mismatch(gold, found.answer)
        outcome: Outcome = "incorrect" if reason else "correct"
        return Verdict(outcome, found.answer, found.pipeline, reason, vote(found.answer))

    return [verdict(rollout) for rollout in rollouts]
