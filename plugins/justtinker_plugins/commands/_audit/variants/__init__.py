r"""Variants of a mathematical gold, equivalent and wrong, that the audit and the tests put to a verifier.

``equivalent_variants(gold)`` yields pairs (kind of change, text) that all mean the gold. ``wrong_variants(gold,
neighbours)`` yields pairs that a careful person would reject. Every rule changes the text alone and is right by
construction: nothing here evaluates more than whole numbers. Each module holds the rules for one form of golds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from justtinker_plugins.commands._audit.variants import expressions, numbers, structures, typesetting, words
from justtinker_plugins.commands._audit.variants.forms import DECIMAL, INTEGER, Variant, strip_wrapping
from justtinker_plugins.commands._audit.variants.wrong import wrong_variants

__all__ = ["DECIMAL", "INTEGER", "Variant", "equivalent_variants", "strip_wrapping", "wrong_variants"]

_RULES: tuple[Callable[[str], Iterator[Variant]], ...] = (
    *typesetting.RULES, *numbers.RULES, *words.RULES, *structures.RULES, *expressions.RULES
)  # fmt: skip


def equivalent_variants(gold: str) -> Iterator[Variant]:
    """Yield other ways to write the gold, each with its kind of change; never the gold itself."""
    text = strip_wrapping(gold)
    seen = {gold}
    for make in _RULES:
        for kind, variant in make(text):
            if variant not in seen:
                seen.add(variant)
                yield kind, variant
