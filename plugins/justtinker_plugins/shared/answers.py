r"""Extract the answer of a response, the same way for every verifier. Nothing here says whether it is right.

Only what follows the last ``</think>`` counts, and a response whose ``<think>`` stays open has no answer. There is no
fallback: if the last box is empty, unclosed or too long, there is no answer, whatever comes before it, and a number
somewhere in the prose never is one.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from justtinker_core import Rollout, Verdict
from justtinker_core.types import Outcome
from justtinker_plugins.shared.beside import changed_by
from justtinker_plugins.text import Box, all_boxed, answer_part, last_boxed, visible

Gold = TypeVar("Gold")
Pipeline = Literal["strict", "flexible", "gsm8k"]
"""strict: only the last ``\\boxed{…}``. flexible: without a box, also `Answer: x`, `#### x`, `the answer is x`.
gsm8k: only `#### x`."""
PipelineOrWhole = Pipeline | Literal["whole"]
"""A pipeline, or whole: all that follows the thinking."""
Boxes = Literal["last", "all"]
"""last: only the last box counts. all: the boxes of a response may also be the parts of its answer."""

_MARKERS = {
    "flexible": re.compile(
        r"(?P<hashes>####)|\banswer\b[ \t]*(?:(?P<label>(?:\*{1,2}[ \t]*)?[:：])|(?P<sentence>is\b[ \t]*[:：]?))",  # noqa: RUF001
        re.IGNORECASE,
    ),
    "gsm8k": re.compile(r"(?P<hashes>####)"),
}
_EXPECTED = {
    "strict": r"\boxed{…}",
    "flexible": r"\boxed{…}, 'Answer:', '####' or 'the answer is'",
    "gsm8k": "'####'",
}
_MARKER_NAMES = {"hashes": "####", "label": "Answer:", "sentence": "answer is"}
_BOXES = ("\\boxed", "\\fbox", "\\framebox")
_SENTENCE_END = re.compile(r"\.(?=\s|\**$)")


@dataclass(frozen=True, slots=True)
class Extracted:
    """An answer as the response writes it, without surrounding white space; or why there is none."""

    answer: str | None
    pipeline: str = ""
    """What matched: ``boxed``, or for flexible also ``Answer:``, ``####``, ``answer is``. Empty if nothing did."""
    reason: str = ""
    """Why there is no answer; empty if there is one."""
    parts: tuple[str, ...] = ()
    """The content of each box, if several boxes are the parts of the answer; otherwise empty."""


def extract(text: str, pipeline: PipelineOrWhole, max_chars: int, parts: int = 1) -> Extracted:
    """Extract the answer of a response; one longer than `max_chars` is refused. Linear in the text; never raises.

    An answer of several `parts` may stand in as many boxes, one a part. With more boxes, or fewer but not one, there is
    no answer: which of them count would be a guess. An answer of one part is in the last box, however many there are.
    """
    answer_text = answer_part(text)
    if answer_text is None:
        return Extracted(None, reason="a <think> is never closed")
    if pipeline == "whole":
        return _whole_answer(answer_text.strip(), max_chars)
    found = _boxed_answer(answer_text, max_chars, parts) if pipeline != "gsm8k" else None
    if found is None and pipeline != "strict":
        found = _marked_answer(answer_text, _MARKERS[pipeline], max_chars)
    return found or Extracted(None, reason=f"no {_EXPECTED[pipeline]} in the answer")


def _whole_answer(answer: str, max_chars: int) -> Extracted:
    if not answer:
        return Extracted(None, reason="there is no answer")
    if len(answer) > max_chars:
        return Extracted(None, "whole", f"the answer is longer than {max_chars} characters")
    return Extracted(answer, "whole")


def _boxed_answer(answer_text: str, max_chars: int, parts: int) -> Extracted | None:
    boxes = all_boxed(answer_text)
    if parts < 2 or len(boxes) < 2:
        return _answer_of_box(answer_text, boxes[-1], max_chars) if boxes else None
    if len(boxes) != parts:
        return Extracted(None, "boxed", f"{len(boxes)} boxes where the gold has {parts} parts")
    found = [_answer_of_box(answer_text, box, max_chars) for box in boxes]
    answers = tuple(part.answer for part in found if part.answer is not None)
    if len(answers) < parts:
        return next(part for part in found if part.answer is None)
    return replace(_check_answer(", ".join(answers), "boxed", max_chars), parts=answers)


def _answer_of_box(answer_text: str, box: Box, max_chars: int) -> Extracted:
    if box.content is None:
        return Extracted(None, "boxed", r"the last \boxed{…} is never closed")
    if beside := changed_by(answer_text, box.start, box.end):
        return Extracted(None, "boxed", f"{beside!r} beside the box changes its value: put all of it in the box")
    return _check_answer(_unwrap_box(_stripped(box.content)[: max_chars + 1]), "boxed", max_chars)


def _stripped(text: str) -> str:
    r"""A text without white space around it, and without the backslash of ``\ `` at its end."""
    text = text.strip()
    return text[:-1].rstrip() if (len(text) - len(text.rstrip("\\"))) % 2 else text


def _unwrap_box(content: str) -> str:
    r"""Unwrap a box inside a box: ``\boxed{5}`` is 5. Nobody means a third one."""
    for _ in range(2):
        inner = last_boxed(content) if content.startswith(_BOXES) else None
        if inner is None or inner.start or inner.end < len(content) or inner.opened > 2 or inner.content is None:
            break
        content = _stripped(inner.content)
    return content


def _marked_answer(answer_text: str, marker: re.Pattern[str], max_chars: int) -> Extracted | None:
    """Extract what follows the last marker, up to the end of its sentence or line."""
    found = deque(marker.finditer(answer_text), maxlen=1)
    if not found:
        return None
    last = found.pop()
    rest = answer_text[last.end() :].lstrip("* \t\r\n")[: max_chars + 100]
    shown, rest = _display(rest)
    sentence = _SENTENCE_END.split(rest.partition("\n")[0], maxsplit=1)[0]
    answer = f"{shown} {sentence}" if _without_markup(sentence).strip(".,;") else shown or sentence
    return _check_answer(_without_markup(answer), _MARKER_NAMES[last.lastgroup or ""], max_chars)


def _display(text: str) -> tuple[str, str]:
    r"""Split off the ``\[…\]``, ``\(…\)`` or ``$$…$$`` that a text begins with, as one line without its signs."""
    end = {r"\[": r"\]", r"\(": r"\)", "$$": "$$"}.get(text[:2])
    inside, closed, rest = text[2:].partition(end) if end else ("", "", text)
    return (" ".join(inside.split()), rest) if closed else ("", text)


def _without_markup(text: str) -> str:
    """Remove Markdown stars, backticks and dollar signs around a text."""
    text = text.strip(" \t\r*")
    for sign in "`$":
        if text.startswith(sign) and text.endswith(sign):
            text = text.strip(sign)
    return text.strip()


def _check_answer(answer: str, pipeline: str, max_chars: int) -> Extracted:
    where = r"the last \boxed{…}" if pipeline == "boxed" else f"what follows {pipeline!r}"
    if not (answer[:1].isascii() and answer[:1].isalnum()) and not visible(answer):
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
    return _stripped(answer if box is None else box.content or "")


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
