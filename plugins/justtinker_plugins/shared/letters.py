"""Read the letter of a multiple choice, as an answer or as a gold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from justtinker_plugins.text import visible

# what may surround a letter, beside what `visible` removes
_WRAPPING = re.compile(r"\\(?:left|right|[bB]igg?[lmr]?|boldsymbol|underline)(?![a-zA-Z])|\\[()\[\]]")
_LETTER = re.compile(r"(?:option|choice|answer)?(?:\(([A-Z])\)|\[([A-Z])\]|([A-Z])\)?)[.:]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """One choice, as written."""

    text: str


def read_letter(text: str, case_sensitive: bool = False) -> Letter | None:
    """Read a text as one letter; None if it is anything else."""
    found = _LETTER.fullmatch(visible(_WRAPPING.sub("", text)).strip("*"))
    if found is None:
        return None
    name = next(filter(None, found.groups()))
    return Letter(name if case_sensitive else name.upper())


def is_choice(gold: str) -> bool:
    r"""Whether a gold looks like the letter of a choice: a capital from A to E alone, as in ``B`` or ``\text{(B)}``."""
    letter = read_letter(gold, case_sensitive=True)
    return letter is not None and letter.text in "ABCDE"
