r"""Which part of a response is its answer. One reading for every verifier; nothing here says whether it is right.

Only what follows the last ``</think>`` counts, and a ``<think>`` left open has no answer. There is no falling back:
a last box that is empty, unclosed or over-long is no answer, whatever stands before it, and a number lying about in
the prose never is one.
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
"""strict: only the last ``\\boxed{…}``. flexible: without a box also `Answer: x`, `#### x`, `the answer is x`.
gsm8k: only `#### x`."""

_MARKERS = {
    "flexible": re.compile(
        r"(?P<hashes>####)|\banswer\b[ \t]*(?:(?P<label>(?:\*{1,2}[ \t]*)?:)|(?P<sentence>is\b[ \t]*:?))", re.IGNORECASE
    ),
    "gsm8k": re.compile(r"(?P<hashes>####)"),
}
_WANTED = {
    "strict": r"\boxed{…}",
    "flexible": r"\boxed{…}, 'Answer:', '####' or 'the answer is'",
    "gsm8k": "'####'",
}
_NAMES = {"hashes": "####", "label": "Answer:", "sentence": "answer is"}
_SENTENCE_END = re.compile(r"\.(?=\s|\**$)")


@dataclass(frozen=True, slots=True)
class Extracted:
    """An answer as the response writes it, stripped of white space; or why there is none."""

    answer: str | None
    pipeline: str = ""
    """What matched: ``boxed``, or for flexible also ``Answer:``, ``####``, ``answer is``. Empty if nothing did."""
    reason: str = ""
    """Why there is no answer; empty if there is one."""


def extract(text: str, pipeline: Pipeline, max_chars: int) -> Extracted:
    """The answer of a response. An answer longer than `max_chars` is none. Linear in the text; never raises."""
    part = answer_part(text)
    if part is None:
        return Extracted(None, reason="a <think> is never closed")
    found = _boxed(part, max_chars) if pipeline != "gsm8k" else None
    if found is None and pipeline != "strict":
        found = _marked(part, _MARKERS[pipeline], max_chars)
    return found or Extracted(None, reason=f"no {_WANTED[pipeline]} in the answer")


def _boxed(part: str, max_chars: int) -> Extracted | None:
    box = last_boxed(part)
    if box is None:
        return None
    if box.content is None:
        return Extracted(None, "boxed", r"the last \boxed{…} is never closed")
    return _checked(_unwrapped(box.content.strip()[: max_chars + 1]), "boxed", max_chars)


def _unwrapped(content: str) -> str:
    r"""The inside of a box in a box: ``\boxed{5}`` is 5. Bounded: nobody means a third one."""
    for _ in range(2):
        inner = last_boxed(content) if content.startswith("\\boxed") and content.endswith("}") else None
        if inner is None or inner.start or inner.opened > 2 or inner.content is None:
            break
        content = inner.content.strip()
    return content


def _marked(part: str, marker: re.Pattern[str], max_chars: int) -> Extracted | None:
    """What the last marker of the text announces, to the end of its sentence or line."""
    found = deque(marker.finditer(part), maxlen=1)
    if not found:
        return None
    last = found.pop()
    line = part[last.end() :].lstrip("* \t\r\n")[: max_chars + 100].partition("\n")[0]
    sentence = _SENTENCE_END.split(line, maxsplit=1)[0]
    return _checked(_bare(sentence), _NAMES[last.lastgroup or ""], max_chars)


def _bare(text: str) -> str:
    """Without the Markdown stars and the dollar signs around it."""
    text = text.strip(" \t\r*")
    if text.startswith("$") and text.endswith("$"):
        text = text.strip("$")
    return text.strip()


def _checked(answer: str, pipeline: str, max_chars: int) -> Extracted:
    where = r"the last \boxed{…}" if pipeline == "boxed" else f"what follows {pipeline!r}"
    if not visible(answer):
        return Extracted(None, pipeline, f"{where} is empty")
    if len(answer) > max_chars:
        return Extracted(None, pipeline, f"{where} is longer than {max_chars} characters")
    return Extracted(answer, pipeline)


def gold_text(answer: str | None) -> str:
    r"""A gold as it is to be read: what follows a last ``####`` (GSM8K), else what a last box holds, else all of it."""
    if answer is None:
        return ""
    if "####" in answer:
        return answer.rpartition("####")[2].strip()
    box = last_boxed(answer)
    return (answer if box is None else box.content or "").strip()


def judge(
    rollouts: Sequence[Rollout],
    pipeline: Pipeline,
    max_chars: int,
    gold: Gold | str,
    wrong: Callable[[Gold, str], str],
    vote: Callable[[str], str | None] = lambda answer: None,
) -> list[Verdict]:
    """One verdict a rollout. A gold that is a text says why it is unusable: all are unscored.

    `wrong(gold, answer)` says what is wrong with an answer, nothing for a right one; `vote(answer)` writes equal
    answers alike, and is None for what can only be taken as it is written.
    """
    if isinstance(gold, str):
        return [Verdict("unscored", rung="gold", reason=gold) for _ in rollouts]

    def verdict(rollout: Rollout) -> Verdict:
        found = extract(rollout.text, pipeline, max_chars)
        if found.answer is None:
            return Verdict("incorrect", None, f"extract {found.pipeline}".strip(), found.reason)
        reason = wrong(gold, found.answer)
        outcome: Outcome = "incorrect" if reason else "correct"
        return Verdict(outcome, found.answer, found.pipeline, reason, vote(found.answer))

    return [verdict(rollout) for rollout in rollouts]
