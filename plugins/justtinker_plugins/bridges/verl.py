"""Our rewards in verl 0.9: a function that scores one response, and a reward manager that sees groups.

verl loads them by ``pkg://justtinker_plugins.bridges.verl`` or by the path of this file; docs/bridges.md has the
command lines.
"""

from __future__ import annotations

from typing import Any

from justtinker_plugins.bridges._verl.groups import manager_class
from justtinker_plugins.bridges._verl.scoring import compute_score

__all__ = ["GroupRewardManager", "compute_score"]  # noqa: F822


def __getattr__(name: str) -> Any:
    """Make `GroupRewardManager` when it is asked for: its base is verl's."""
    if name == "GroupRewardManager":
        return manager_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
