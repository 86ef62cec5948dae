r"""Which texts a regular expression cannot match, found without running it.

Looking for a short text is some twenty times as fast as a regular expression, and of the many rules of `normalise` few
ever fit an answer. ``\\\\(?:dfrac|tfrac)`` matches only where ``dfrac`` or ``tfrac`` stands.
"""

from __future__ import annotations

import re
from typing import Any

try:
    from re import _constants, _parser  # type: ignore[attr-defined]  # Python's own reading of a pattern
except ImportError:  # it is private, and another Python may lack it: then every pattern is tried on every text
    _parser = None

ANYTHING = ("",)
"""Stands in every text."""
_MOST_NEEDS = 16


def needs_one_of(pattern: str) -> tuple[str, ...]:
    """Texts of which every match of a pattern, with what it looks at around it, has at least one."""
    if _parser is None:
        return ANYTHING
    parsed = _parser.parse(pattern)
    return ANYTHING if parsed.state.flags & re.IGNORECASE else _of_sequence(list(parsed))


def _of_sequence(items: list[Any]) -> tuple[str, ...]:
    """The best of what the parts of a sequence need: the longest texts, and rather none that is only a space."""
    found: list[tuple[str, ...]] = [ANYTHING]
    literal = ""
    for kind, value in items:
        if kind is _constants.LITERAL:
            literal += chr(value)
            continue
        found += [(literal,), _of_item(kind, value)]
        literal = ""
    return max([*found, (literal,)], key=lambda texts: (min(map(len, texts)), " " not in texts, -len(texts)))


def _of_item(kind: Any, value: Any) -> tuple[str, ...]:
    if kind is _constants.SUBPATTERN and not value[1]:  # no flags of its own
        return _of_sequence(list(value[-1]))
    if kind in (_constants.MAX_REPEAT, _constants.POSSESSIVE_REPEAT) and value[0] > 0:
        return _of_sequence(list(value[2]))
    if kind is _constants.ASSERT:
        return _of_sequence(list(value[1]))
    if kind is _constants.BRANCH:
        return _of_all([_of_sequence(list(branch)) for branch in value[1]])
    if kind is _constants.IN and all(part is _constants.LITERAL for part, _ in value):
        return _of_all([(chr(code),) for _, code in value])
    return ANYTHING


def _of_all(branches: list[tuple[str, ...]]) -> tuple[str, ...]:
    texts = tuple(dict.fromkeys(text for branch in branches for text in branch))
    return texts if all(texts) and len(texts) <= _MOST_NEEDS else ANYTHING
