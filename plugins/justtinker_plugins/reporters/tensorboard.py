"""Write a run's numbers as TensorBoard event files, without texts or pictures. Needs the extra ``tensorboard``."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from justtinker_core import EvalStats, Finding, RunContext, StepStats, hookimpl, plugin
from justtinker_plugins.reporters._scalars import eval_scalars, step_scalars


@plugin
class Tensorboard:
    """Writes the numbers of every step and evaluation; see them with ``tensorboard --logdir runs``."""

    directory: str = "tensorboard"
    """The directory of the event files, relative to the run's."""

    def __post_init__(self) -> None:
        self._writer: Any = None

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain if the package is missing."""
        missing = importlib.util.find_spec("tensorboard") is None
        return ["the reporter tensorboard needs a package: pip install 'justtinker[tensorboard]'"] if missing else []

    @hookimpl
    def report_step(self, run: RunContext, stats: StepStats, findings: Sequence[Finding]) -> None:
        """Write the numbers of a step."""
        self._write(run, stats.step, step_scalars(stats))

    @hookimpl
    def report_eval(self, run: RunContext, stats: EvalStats) -> None:
        """Write the numbers of an evaluation to disk at once."""
        self._write(run, stats.step, eval_scalars(stats))
        self._writer.flush()

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Close the event file if it was opened."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, run: RunContext, step: int, scalars: Mapping[str, float]) -> None:
        if self._writer is None:
            from tensorboard.summary import Writer

            self._writer = Writer(str(run.dir / self.directory))
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
