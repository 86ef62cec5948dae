"""tinker-cookbook: an `EnvGroupBuilder` that scores a group at once, and an `RLDatasetBuilder` over our data sets.

- `JusttinkerDatasetBuilder`: the problems of a config's ``[data.train]`` with its rewards, for `rl.train.Config`.
- `JusttinkerGroupBuilder`: the rollouts of one problem, for a data set of your own.
- `JusttinkerEnv`: one rollout of one problem.

They are subclasses of the cookbook's, which is imported when the first of them is asked for. PluginError without it.
"""

from __future__ import annotations

from typing import Any

from justtinker_plugins.shared.foreign import package

CLASSES = ("JusttinkerDataset", "JusttinkerDatasetBuilder", "JusttinkerEnv", "JusttinkerGroupBuilder")


def __getattr__(name: str) -> Any:
    if name not in CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package("tinker_cookbook", "the bridge to tinker-cookbook", "tinker-cookbook")
    from justtinker_plugins.bridges._cookbook import classes

    return getattr(classes, name)
