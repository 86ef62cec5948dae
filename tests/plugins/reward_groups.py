"""What the tests of rewards ask of a plugin: its only term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from justtinker_core.testing import make_group
from justtinker_core.types import Outcome


def scored(
    plugin: Any,
    texts: Sequence[str],
    outcomes: Sequence[Outcome] | None = None,
    tokens: Sequence[int] | None = None,
    told: int = 0,
    opened: str = "",
) -> list[float | None]:
    """The plugin's only term for ``make_group(…)``."""
    (values,) = plugin.score(make_group(texts, outcomes, tokens=tokens, told=told, opened=opened)).values()
    return list(values)
