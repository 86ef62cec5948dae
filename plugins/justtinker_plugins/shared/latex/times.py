r"""Times of day: ``3:30 \text{ p.m.}`` is ``3{:}30 PM`` and 15:30.

A gold with a.m. or p.m. asks for it. ``3:30`` alone is left to the reader, since it may be a ratio.
"""

from __future__ import annotations

import re
from functools import lru_cache

from justtinker_plugins.shared.latex.numbers import Comparison
from justtinker_plugins.shared.latex.words import without_text_commands

_TIME = re.compile(r"(?:at )?([0-9]{1,2})(?::([0-9]{2}))? ?(?:([ap])\.? ?m\.?|(noon|midnight))?", re.IGNORECASE)
_MAY_BE_UNIT = re.compile(r"^[0-9]+[^0-9:.]*[ap]m")
"""5 pm is also a length."""
_WORDS = {"noon": 12 * 60, "midnight": 0}


def compare_times(gold: str, answer: str) -> Comparison | None:
    """Compare two normalised texts as times of day; None if the gold is no time with a.m. or p.m."""
    if (expected := _minutes(gold)) is None:
        return None
    given = _minutes(answer, clock=True)
    if given is None and _MAY_BE_UNIT.search(gold):
        return None
    reason = "" if expected == given else "not a time of day" if given is None else "a different time of day"
    return Comparison(not reason, "string", reason)


@lru_cache(maxsize=256)
def _minutes(normal: str, *, clock: bool = False) -> int | None:
    """Minutes since midnight; with `clock` also of a 24-hour time that cannot be before noon, such as 15:30."""
    text = " ".join(without_text_commands(normal).replace("~", " ").split()).strip(" .,")
    if text.casefold() in _WORDS:
        return _WORDS[text.casefold()]
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[4]:
        return _WORDS[found[4].casefold()] if (hour, minute) == (12, 0) else None
    if found[3]:
        return hour % 12 * 60 + minute + 720 * (found[3] in "pP") if 1 <= hour <= 12 and minute < 60 else None
    return hour * 60 + minute if clock and found[2] and (hour > 12 or not hour) and hour < 24 and minute < 60 else None
