r"""Variants of a mathematical gold, equivalent and wrong, that the audit and the tests put to a verifier.

``equivalent_variants(gold)`` yields pairs (kind of change, text) that all mean the gold. ``wrong_variants(gold,
neighbours)`` yields pairs that a careful person would reject. Every rule changes the text alone and is right by
construction: nothing here evaluates more than whole numbers. Each module holds the rules for one form of golds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from justtinker_plugins.commands._audit.variants import expressions, numbers, structures, typesetting, units, words
from justtinker_plugins.commands._audit.variants.forms import (
    Variant,
    letter_of,
    strip_wrapping,
    word_of,
)
from justtinker_plugins.commands._audit.variants.wrong import wrong_variants

__all__ = ["equivalent_variants", "strip_wrapping", "wrong_variants"]

_Rules = Sequence[Callable[[str], Iterator[Variant]]]
_MATHEMATICS: _Rules = (*typesetting.RULES, *numbers.RULES, *units.RULES, *structures.RULES, *expressions.RULES)


def equivalent_variants(gold: str) -> Iterator[Variant]:
    """Yield other ways to write the gold, each with its kind of change; never the gold itself.

    A word or a choice's letter only comes as people write words: nobody names it or sets it in display style.
    """
    text = strip_wrapping(gold)
    seen = {gold}
    rules: _Rules = words.RULES if word_of(text) or letter_of(text) else _MATHEMATICS
    for make in rules if text else ():
        for kind, variant in make(text):
            if variant not in seen:
                seen.add(variant)
                yield kind, variant
