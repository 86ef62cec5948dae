"""Copies of plugins and variations of groups, and whether two answers to them agree."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from justtinker_core.testing._builders import make_rollout
from justtinker_core.types import Group, Verdict


def copy_unused(plugin: Any) -> Any:
    """Copy a plugin that has not been asked anything yet; None if it cannot be copied."""
    with suppress(Exception):
        if dataclasses.is_dataclass(plugin) and not isinstance(plugin, type):
            return replace(plugin)
        return copy.deepcopy(plugin)
    return None


def is_same(old: Any, new: Any) -> bool:
    """Return whether two answers agree; the last digits of a sum may depend on its order."""
    if isinstance(old, Verdict):
        return (old.outcome, old.answer, old.vote) == (new.outcome, new.answer, new.vote)
    return old.keys() == new.keys() and all(
        a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9))
        for a, b in ((old[term], new[term]) for term in old)
    )


def permuted(group: Group, places: Sequence[int]) -> Group:
    """Return the group with its rollouts, and their verdicts and measures, in another order."""

    def pick(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[place] for place in places) if values else ()

    measures = {name: pick(values) for name, values in group.measures.items()}
    return replace(group, rollouts=pick(group.rollouts), verdicts=pick(group.verdicts), measures=measures)


def with_text(group: Group, text: str) -> Group:
    """Return the group with this text as its last rollout, with a plausible number of tokens."""
    return replace(group, rollouts=(*group.rollouts[:-1], make_rollout(text, tokens=-(-len(text) // 4))))
