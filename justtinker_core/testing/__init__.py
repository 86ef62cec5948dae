"""Tools to test plugins: builders, a scripted backend, batteries for verifiers and rewards, and a suite for backends.

With justtinker installed, pytest also has the fixture `run_with` (docs/plugins/testing.md). Only `BackendConformance`
needs pytest; it is imported when it is used. The core does not import this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from justtinker_core.testing._backend import Respond, ScriptedBackend
from justtinker_core.testing._builders import make_group, make_problem, make_rollout
from justtinker_core.testing._rewards import check_reward
from justtinker_core.testing._running import Done, Runner
from justtinker_core.testing._verifiers import Case, check_verifier

if TYPE_CHECKING:
    from justtinker_core.testing.backends import BackendConformance

__all__ = [
    "BackendConformance",
    "Case",
    "Done",
    "Respond",
    "Runner",
    "ScriptedBackend",
    "check_reward",
    "check_verifier",
    "make_group",
    "make_problem",
    "make_rollout",
]


def __getattr__(name: str) -> Any:
    if name == "BackendConformance":
        from justtinker_core.testing.backends import BackendConformance

        return BackendConformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
