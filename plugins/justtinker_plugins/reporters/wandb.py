"""A run's numbers to Weights & Biases: only numbers and the config, no rollouts. Extra: ``wandb``."""

from __future__ import annotations

import importlib
import importlib.util
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from justtinker_core import EvalStats, Finding, RunContext, StepStats, hookimpl, plugin
from justtinker_plugins.reporters._scalars import eval_scalars, step_scalars


@plugin
class Wandb:
    """Numbers of every step and evaluation. Log in first (``wandb login``), or use mode "offline"."""

    project: str = "justtinker"
    """Where the run stands in the account; made if there is none of that name."""
    mode: Literal["online", "offline"] = "online"
    """offline: only files in the run's directory, for ``wandb sync``."""

    def __post_init__(self) -> None:
        self._run: Any = None
        self._tried = False

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """A complaint if the package is missing, or the key of an account."""
        if importlib.util.find_spec("wandb") is None:
            return ["the reporter wandb needs a package: pip install 'justtinker[wandb]'"]
        return (
            [] if self.mode == "offline" or logged_in() else ["no key for wandb: run wandb login, or set mode offline"]
        )

    @hookimpl
    def report_step(self, run: RunContext, stats: StepStats, findings: Sequence[Finding]) -> None:
        self._log(run, stats.step, step_scalars(stats))

    @hookimpl
    def report_eval(self, run: RunContext, stats: EvalStats) -> None:
        self._log(run, stats.step, eval_scalars(stats))

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Send what is left."""
        if self._run is not None:
            self._run.finish(exit_code=int(status == "failed"))

    def _log(self, run: RunContext, step: int, scalars: Mapping[str, float]) -> None:
        if not self._tried:
            self._tried = True  # a server out of reach holds up one step, not every step
            named = {"project": self.project, "name": run.config.run.name, "mode": self.mode, "dir": str(run.dir)}
            wandb: Any = importlib.import_module("wandb")
            settings = wandb.Settings(silent=True, console="off", save_code=False, disable_git=True)
            self._run = wandb.init(**named, config=tomllib.loads(run.config.dump()), settings=settings)
            self._run.define_metric("*", step_metric="step")  # a resumed run may come to a step again
        if self._run is not None:
            self._run.log({"step": step, **scalars})


def logged_in() -> bool:
    """Whether there is a key; in a terminal wandb asks for one."""
    wandb: Any = importlib.import_module("wandb")
    try:
        return bool(wandb.login())
    except wandb.errors.Error:
        return False
