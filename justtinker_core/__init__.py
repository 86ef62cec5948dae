"""JustTinker: a small training loop that discovers everything else as plugins. What plugin authors import is here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from justtinker_core.errors import PluginError, SamplingError
from justtinker_core.hookspecs import Policy, RunContext, hookimpl
from justtinker_core.options import plugin
from justtinker_core.paths import NameOrPath
from justtinker_core.types import (
    Backend,
    Batch,
    DataSpec,
    Datum,
    EvalStats,
    Finding,
    Group,
    History,
    Problem,
    Prompt,
    Reward,
    Rollout,
    Sample,
    Sampler,
    SampleRequest,
    StepStats,
    Update,
    Verdict,
)

if TYPE_CHECKING:
    from justtinker_core.sampling import datum_of
    from justtinker_core.scorer import Scorer

__version__ = "0.1.0"
__all__ = [
    "Backend",
    "Batch",
    "DataSpec",
    "Datum",
    "EvalStats",
    "Finding",
    "Group",
    "History",
    "NameOrPath",
    "PluginError",
    "Policy",
    "Problem",
    "Prompt",
    "Reward",
    "Rollout",
    "RunContext",
    "Sample",
    "SampleRequest",
    "Sampler",
    "SamplingError",
    "Scorer",
    "StepStats",
    "Update",
    "Verdict",
    "datum_of",
    "hookimpl",
    "plugin",
]


LAZY = {"Scorer": "scorer", "datum_of": "sampling"}
"""Names whose modules are imported when they are first used, so that listing plugins stays quick."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(importlib.import_module(f"justtinker_core.{LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
