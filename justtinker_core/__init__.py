"""JustTinker's core: a small loop that discovers everything else as plugins."""

from justtinker_core.hookspecs import hookimpl
from justtinker_core.options import PluginError, SamplingError, plugin
from justtinker_core.types import Finding, Group, Problem, Prompt, Rollout, Verdict

__version__ = "0.1.0"
__all__ = [
    "Finding",
    "Group",
    "PluginError",
    "Problem",
    "Prompt",
    "Rollout",
    "SamplingError",
    "Verdict",
    "hookimpl",
    "plugin",
]
