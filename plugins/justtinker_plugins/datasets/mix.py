"""Mix several data sets in one table, in proportion to their weights. Other plugins load them.

    [data.train]
    use = "mix"
    [data.train.sources.math]
    use = "hendrycks_math"
    weight = 2
    [data.train.sources.grade_school]
    use = "gsm8k"
    limit = 5000

A run draws every problem of a table once an epoch, so the weights decide how many problems each source gives. The
source with the fewest problems for its weight gives all of them; the others give their proportion. The seed decides
which problems these are and how they alternate. No problem comes twice in an epoch.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from justtinker_core import DataSpec, PluginError, Problem, data, hookimpl, plugin
from justtinker_core.config import data_spec
from justtinker_core.discovery import find

log = logging.getLogger("justtinker")

EXAMPLE = {"sums": {"use": "arithmetic", "weight": 2}, "words": {"use": "gsm8k"}}


@plugin
class Mix:
    """Problems of several sources. Ids become ``NAME/ID``; metadata: the source's own, and its name as ``mix``."""

    sources: Annotated[dict[str, dict[str, Any]], Field(examples=[EXAMPLE])]
    """Name -> a data set's table, as under ``[data.…]`` (use, limit, stratify_by, seed, options), plus a weight
    (default 1)."""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("sources is empty; write a table [….sources.NAME] for each data set")
        for name, table in self.sources.items():
            weight = table.get("weight", 1)
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
                raise ValueError(f"sources.{name}.weight = {weight!r}: expected a number above 0")
            if "use" not in table:
                raise ValueError(f"sources.{name} needs a value for 'use', the data set's plugin")
            if "samples" in table:
                raise ValueError(f"sources.{name}.samples: set samples once, in the table of the mix")

        self.skipped = Counter[str]()
        """Why rows gave no problem, with the source's name -> how many."""

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Sequence[Problem]:
        """Load the sources and interleave their problems. PluginError names the source that cannot be loaded."""
        self.skipped.clear()
        loaded = {name: self._load(name, spec, seed) for name in self.sources}
        weights = [self.sources[name].get("weight", 1) for name in loaded]
        counts = quotas([len(problems) for problems in loaded.values()], weights)
        for (name, problems), count in zip(loaded.items(), counts, strict=True):
            if count == 0:
                raise PluginError(f"[{spec.table}] sources.{name}: weight too small (0 of {len(problems)} problems)")
            log.info("[%s] mix: %d of %d problems of %s", spec.table, count, len(problems), name)
        rng = np.random.default_rng([seed, 0x313])
        queues = [
            [renamed(problems[i], name) for i in rng.permutation(len(problems))[:count]]
            for (name, problems), count in zip(loaded.items(), counts, strict=True)
        ]
        return [queues[source][index] for source, index in interleaved(counts)]

    def _load(self, name: str, spec: DataSpec, seed: int) -> tuple[Problem, ...]:
        table = {key: value for key, value in self.sources[name].items() if key != "weight"}
        skipped = Counter[str]()
        try:
            problems = data.load(data_spec(spec.purpose, spec.name, table, seed), find(), {}, skipped)
        except PluginError as error:
            raise PluginError(f"[{spec.table}] sources.{name}: {error}") from error
        self.skipped.update({f"{name}: {reason}": count for reason, count in skipped.items()})
        return problems


def quotas(sizes: Sequence[int], weights: Sequence[float]) -> list[int]:
    """How many problems to take from each source: as many as possible, in proportion to the weights.

    >>> quotas([7500, 17400], [1, 2])
    [7500, 15000]
    """
    scale = min(size / weight for size, weight in zip(sizes, weights, strict=True))
    return [min(size, round(weight * scale)) for size, weight in zip(sizes, weights, strict=True)]


def interleaved(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs (source, index within it), ordered so that every stretch holds about the same proportions.

    >>> interleaved([2, 4])
    [(1, 0), (0, 0), (1, 1), (1, 2), (0, 1), (1, 3)]
    """
    keys = [((index + 0.5) / count, source, index) for source, count in enumerate(counts) for index in range(count)]
    return [(source, index) for _, source, index in sorted(keys)]


def renamed(problem: Problem, source: str) -> Problem:
    """The problem with its source's name in id and metadata."""
    meta: Mapping[str, Any] = {**problem.meta, "mix": source}
    return replace(problem, id=f"{source}/{problem.id}", meta=meta)
