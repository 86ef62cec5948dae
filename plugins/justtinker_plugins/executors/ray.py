"""The executor `ray`: groups are judged by actors on a Ray cluster, each with the reward stack of the config.

For judges that need more processors than one machine has. Judges that wait for a server need no cluster, but
``async def`` (docs/scaling.md). A group whose actor or node dies is sent to another one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import field, replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import Annotated, Any

from pydantic import Field

from justtinker_core import Finding, History, PluginError, RunContext, StepStats, hookimpl, plugin
from justtinker_core.config import RunConfig
from justtinker_core.enabling import open_plugins
from justtinker_core.scorer import judging
from justtinker_plugins.executors._ray.executor import RayExecutor
from justtinker_plugins.executors._ray.wire import Counts, Settings

WAITING_CALLS, PLAIN_CALLS = 64, 2
"""`groups_per_actor` if a hook is a coroutine, and if none is."""


@plugin
class Ray:
    """Judges groups on a Ray cluster, so that judges use the processors of many machines. Needs ``justtinker[ray]``."""

    address: str = ""
    """"": a cluster of its own, on this machine's loopback. "auto": one that runs here. Or ``ray://host:10001``."""
    actors: Annotated[int, Field(ge=0)] = 0
    """Processes that judge; 0: as many as the cluster has CPUs for."""
    cpus_per_actor: Annotated[float, Field(gt=0)] = 1.0
    """CPUs that Ray reserves for each."""
    groups_per_actor: Annotated[int, Field(ge=0)] = 0
    """Groups that an actor judges at once. 0: 64 if a hook is a coroutine, else 2."""
    tries: Annotated[int, Field(ge=1)] = 3
    """A group is unscored once so many actors have died while they judged it, from the second on alone."""
    timeout: Annotated[float, Field(ge=0)] = 600.0
    """Seconds that a group may take before its actor is ended, as if it had died. 0: any number."""
    patience: Annotated[float, Field(gt=0)] = 60.0
    """Seconds to wait for a first actor, and for another when none is left. Raise it if nodes start on demand."""
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    """Ray's ``runtime_env`` of the actors, such as ``{pip = ["justtinker"]}``. It is recorded: put no secrets there."""
    environment: tuple[str, ...] = ()
    """Names of environment variables whose values the actors get, such as keys of judges. Values are never recorded."""

    def __post_init__(self) -> None:
        if "@" in self.address:
            raise ValueError("address: expected no password in it")
        self._executor: RayExecutor | None = None
        self._reported = Counts()

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Start or join the cluster, and open the reward stack on an actor."""
        try:
            complaint = self._opened(run.config).try_out(run.config)
        except PluginError as error:
            return [str(error)]
        return [f"ray: on an actor: {complaint}"] if complaint else []

    @hookimpl
    def grading_executor(self, run: RunContext) -> Executor:
        """Return the executor, opened by `preflight` where there was one."""
        return self._opened(run.config)

    @hookimpl
    def inspect_step(self, stats: StepStats, history: History) -> Sequence[Finding]:
        """Say which actors have died during the step, and what became of their groups."""
        if self._executor is None:
            return []
        now, before = self._executor.counts, self._reported
        self._reported = replace(now)
        if now.died == before.died and now.unscored == before.unscored:
            return []
        return [finding(now, before)]

    @hookimpl
    def finish_run(self) -> None:
        """End the actors, and a cluster of its own."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def _opened(self, config: RunConfig) -> RayExecutor:
        if self._executor is None:
            if find_spec("ray") is None:
                raise PluginError("the plugin ray needs a package: pip install 'justtinker[ray]'")
            if missing := [name for name in self.environment if name not in os.environ]:
                raise PluginError(f"ray: environment names {missing[0]}, which is not set here")
            check_budgets(config)
            self._executor = RayExecutor(self._settings(config))
        return self._executor

    def _settings(self, config: RunConfig) -> Settings:
        plugins = open_plugins(judging(config))
        plugins.close()
        calls = self.groups_per_actor or (WAITING_CALLS if plugins.coroutines else PLAIN_CALLS)
        return Settings(
            address=self.address, actors=self.actors, cpus_per_actor=self.cpus_per_actor, calls=calls,
            tries=self.tries, timeout=self.timeout, patience=self.patience, folder="", version=version("justtinker"),
            runtime_env=dict(self.runtime_env), environment={name: os.environ[name] for name in self.environment},
        )  # fmt: skip


def check_budgets(config: RunConfig) -> None:
    """PluginError if a plugin that judges has a budget: each actor has plugins of its own, and each would spend it."""
    for name in judging(config).enable:
        options = config.plugin_options.get(name, {})
        for option in [key for key, value in options.items() if key.startswith("budget_") and value is not None]:
            raise PluginError(
                f"ray: [plugins.{name}] {option} = {options[option]} would hold for each actor, so a run could spend "
                "it many times: use no ray here, as a judge that waits for a server needs no cluster; or set no budget"
            )


def finding(now: Counts, before: Counts) -> Finding:
    """Describe what was lost since the last finding."""
    unscored = now.unscored - before.unscored
    lost = f", and {unscored} given up: they are unscored" if unscored else ""
    return Finding(
        "warn",
        f"{now.died - before.died} actors died; {now.resent - before.resent} groups were sent again{lost}; "
        f"{now.alive} of {now.wanted} actors on {now.nodes} nodes are alive",
        {
            name: getattr(now, name)
            for name in ("alive", "wanted", "nodes", "died", "resent", "unscored", "judged", "seconds")
        },
    )
