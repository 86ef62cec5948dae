"""Send a run's numbers and its config, but no rollouts, to Weights & Biases. Needs the extra ``wandb``."""

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
    """Sends the numbers of every step and evaluation. Log in first (``wandb login``), or set mode "offline"."""

    project: str = "justtinker"
    """The project of the run; it is made if the account has none of that name."""
    mode: Literal["online", "offline"] = "online"
    """offline: write only files in the run's directory, for ``wandb sync``."""

    def __post_init__(self) -> None:
        self._run: Any = None
        self._tried = False

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain if the package is missing, or if nobody is logged in."""
        if importlib.util.find_spec("wandb") is None:
            return ["the reporter wandb needs a package: pip install 'justtinker[wandb]'"]
        return (
            [] if self.mode == "offline" or logged_in() else ["no key for wandb: run wandb login, or set mode offline"]
        )

    @hookimpl
    def report_step(self, run: RunContext, stats: StepStats, findings: Sequence[Finding]) -> None:
        """Send the numbers of a step."""
        self._log(run, stats.step, step_scalars(stats))

    @hookimpl
    def report_eval(self, run: RunContext, stats: EvalStats) -> None:
        """Send the numbers of an evaluation."""
        self._log(run, stats.step, eval_scalars(stats))

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Send what is not sent yet."""
        if self._run is not None:
            self._run.finish(exit_code=int(status == "failed"))

    def _log(self, run: RunContext, step: int, scalars: Mapping[str, float]) -> None:
        if not self._tried:
            self._tried = True  # an unreachable server delays one step, not every step
            named = {"project": self.project, "name": run.config.run.name, "mode": self.mode, "dir": str(run.dir)}
            wandb: Any = importlib.import_module("wandb")
            settings = wandb.Settings(silent=True, console="off", save_code=False, disable_git=True)
            self._run = wandb.init(**named, config=tomllib.loads(run.config.dump()), settings=settings)
            self._run.define_metric("*", step_metric="step")  # a resumed run may repeat a step
        if self._run is not None:
            self._run.log({"step": step, **scalars})


def logged_in() -> bool:
    """Whether wandb has a key; in a terminal it asks for one."""
    wandb: Any = importlib.import_module("wandb")
    try:
        return bool(wandb.login())
    except wandb.errors.Error:
        return False
