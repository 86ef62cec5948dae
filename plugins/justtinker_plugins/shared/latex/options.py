r"""The choices of a question: ``(C) 59`` is one answer, not two, if the question says "(A) 51 (B) 57 (C) 59"."""

from __future__ import annotations

import re
from functools import lru_cache

from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.restated import without_spaces
from justtinker_plugins.shared.letters import is_choice
from justtinker_plugins.text import visible

_LABEL = re.compile(r"(?:^|(?<=[\s.,;:?]))(?:\\text *\{ *)?\(?([A-E])[).:] *\}?")


@lru_cache(maxsize=256)
def choices_of(question: str) -> dict[str, str]:
    """The text of each choice of a question by its letter, normalised and without spaces."""
    normal = normalise(question)
    labels = list(_LABEL.finditer(normal))
    ends = [*(label.start() for label in labels), len(normal)][1:]
    return {label[1]: _bare(normal[label.end() : end]) for label, end in zip(labels, ends, strict=True)}


def without_choices_text(question: str, gold: str, answer: str) -> str:
    r"""Reduce ``\text{(C)} 59`` to C for a gold that is a letter, if 59 is what the question calls C."""
    if not is_choice(gold):
        return answer
    normal = normalise(answer)
    label = _LABEL.match(normal)
    text = _bare(normal[label.end() :]) if label else ""
    return label[1] if label and text and choices_of(question).get(label[1]) == text else answer


def _bare(text: str) -> str:
    return without_spaces(visible(text)).strip(".,;:").casefold()
