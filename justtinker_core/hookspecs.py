"""Every hook of JustTinker, in the order in which the core calls them: the reference for plugin authors.

A plugin implements a hook with a method of that name, marked ``@hookimpl``. The method may leave out arguments that it
does not need. Hooks are plain functions, which the core calls from several threads: a plugin that is heavy on the CPU
manages its own processes. `verify`, `measure` and `score` may be coroutines (``async def``) instead: all of a run wait
together on its one event loop. *First answer* means: the core asks the plugins in the order of the config's `enable`
list until one returns something other than None. *Collect* means: it asks them all. A hook that raises ends the run
with an error that names its plugin. Observers (`report_*`, `finish_run`, `inspect_step` unless ``fatal = True``) are
the exception: the core logs their error once and the run goes on. It also warns of calls that take over a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, ClassVar

import pluggy

from justtinker_core.contexts import Policy as Policy  # documented here
from justtinker_core.contexts import RunContext as RunContext
from justtinker_core.types import (
    Backend,
    Batch,
    DataSpec,
    EvalStats,
    Finding,
    Group,
    History,
    Message,
    Problem,
    Prompt,
    Rollout,
    StepStats,
    Verdict,
)

PROJECT = "justtinker"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class PluginAttributes:
    """The class attributes that the core reads from plugins, with their defaults. All are optional."""

    needs: ClassVar[Sequence[str]] = ()
    """Of an algorithm: hooks that some active plugin must implement, e.g. ``("verify", "score", "advantages")``."""
    fatal: ClassVar[bool] = False
    """Of a monitor: an error in `inspect_step` ends the run."""
    kinds: ClassVar[Sequence[str]] = ()
    """Of a verifier: the kinds of problems that it takes, for error messages."""
    reads: ClassVar[Sequence[str]] = ()
    """Of a metric: "tokens" or "logprobs", if it reads them; it is skipped where a record lacks them. Of a metric or
    reward: "reference", if it reads `Rollout.reference`, which the core asks the backend for only then, and only for
    training: in evaluations and in records it is empty."""
    concurrency: ClassVar[int] = 0
    """Of a plugin whose hooks are coroutines: how many of their calls may be under way at once; 0: no limit."""
    asks_a_model: ClassVar[bool] = False
    """Of a verifier or reward: it asks a language model, which costs, so nothing is tried on it before a run."""
    default_weight: ClassVar[float] = 1.0
    """Of a reward: its `weight` if the config sets none."""
    per_group: ClassVar[bool] = False
    """Of a reward: what it gives a rollout depends on the other rollouts of the group, so it cannot judge one alone."""
    other_names: ClassVar[Mapping[str, str]] = {}
    """Wrong name of an option -> its right name, for the hint in the error."""
    starts_from: ClassVar[Mapping[str, object]] = {}
    """Of a backend: option -> value; two runs must agree in them if one starts from the other's weights."""
    skipped: ClassVar[Mapping[str, int]] = {}
    """Of a data set, after `load_problems`: why rows gave no problem -> how many."""


def attribute_of(plugin: Any, name: str) -> Any:
    """Return one of the `PluginAttributes` of a plugin or its class; the default if it has none."""
    return getattr(plugin, name, getattr(PluginAttributes, name))


@hookspec
def load_problems(spec: DataSpec, seed: int) -> Iterable[Problem]:
    """Asked of the plugin that a ``[data.…]`` table names, with that table's keys as its options.

    `spec.purpose` is "train" or "eval". The core applies `limit` and `stratify_by`, and refuses equal ids. `seed` is
    for plugins that generate problems; an evaluation set has its own, so what is held out must not depend on it.
    """


@hookspec
def drop_problems(run: RunContext) -> Mapping[str, str] | None:
    """Collect. Called when all data is loaded. Returns the ids of training problems to leave out -> the reason.

    `run.train_problems` holds what `limit` and earlier plugins have left. ``run.skipped`` counts the reasons.
    """


@hookspec(firstresult=True)
def open_backend(run: RunContext) -> Backend:
    """Exactly one plugin. Open the model ``run.config.run.model`` for sampling and training."""


@hookspec
def preflight(run: RunContext) -> Sequence[str] | None:
    """Collect. Called when the backend is open, before anything is spent. Each complaint stops the run.

    The backend's own plugin is asked first: if it complains, no data is loaded. Then all others are asked, so data may
    be missing from `run`: encode only if ``run.ready``.
    """


@hookspec(firstresult=True)
def grading_executor(run: RunContext) -> Executor | None:
    """First answer. Where to judge groups: a `concurrent.futures.Executor`, perhaps over other machines.

    The core submits one call per group, ``judge(group)``: verify, measure, score. It can be pickled: another process
    opens the config's plugins once. It is shut down when the run ends. If no plugin answers, ``[grading]`` holds.
    """


@hookspec(firstresult=True)
def build_prompt(problem: Problem) -> str | Sequence[Message] | Prompt | None:
    """First answer. Text exactly as the model sees it, chat messages for its chat template, or a `Prompt`."""


@hookspec(firstresult=True)
def collect_batch(step: int, run: RunContext) -> Batch:
    """Exactly one plugin: the algorithm. Step counts from 1. Its ``needs`` names hooks that others must implement."""


@hookspec(firstresult=True)
def draw_problems(step: int, n: int, drawn: Sequence[Problem], run: RunContext) -> Sequence[Problem] | None:
    """First answer. The n training problems that a step samples next. If no plugin answers, the core draws them.

    Asked by algorithms that call `run.draw_problems`, such as `grpo`. `drawn` holds the problems that the step has
    sampled before, which are yours to leave out; it is empty unless the algorithm samples more than once a step. Draw
    by ``run.history.steps`` and the run's seed alone, so that a resumed run draws the same (evaluations in the
    background may be in the history or not). An algorithm that works ahead asks before the steps in between are
    trained.
    """


@hookspec(firstresult=True)
def expect_tokens(run: RunContext, response: float) -> Mapping[str, float] | None:
    """First answer. Estimate a step's prefill, cached_prefill, sampled and trained tokens from a response's length."""


@hookspec(firstresult=True)
def rollout(problem: Problem, prompt: Prompt, policy: Policy) -> Rollout | None:
    """First answer. Play one rollout's episode, in a thread of its own. If no plugin does, one turn is sampled."""


@hookspec(firstresult=True)
def verify(problem: Problem, rollouts: Sequence[Rollout]) -> Sequence[Verdict] | None:
    """First answer. One verdict for each rollout, in order; None for a kind of problem that it does not take.

    Several calls may be under way at once. If no plugin answers, that is an error. Before a run, the core tries golds
    of kind math, number, text and choice: give problems whose right answer need not be the gold another ``kind``.
    """


@hookspec
def measure(group: Group) -> Mapping[str, Sequence[float | None]] | None:
    """Collect. Name -> one number or None for each rollout. The step's record holds the mean of each name.

    The group has rollouts and verdicts. Two plugins must not use one name.
    """


@hookspec
def score(group: Group) -> Mapping[str, Sequence[float | None]] | None:
    """Collect. Reward term -> one raw number in [-1, 1] for each rollout, or None where the term does not apply.

    The group has rollouts, verdicts and measures. Only the core weighs terms. Two plugins must not give one term.
    """


@hookspec
def report_progress(stage: str, done: int, total: int) -> None:
    """Observers. `done` of `total` of a stage are done. Each stage begins with a call whose `done` is 0.

    Stages: "step N"; within it "sample" (judged groups), "train" (updates) and what a backend tells, such as tokens;
    "evaluate NAME" (judged groups); "load weights". Called from several threads.
    """


@hookspec(firstresult=True)
def advantages(group: Group) -> Sequence[float | Sequence[float]]:
    """Exactly one plugin, if the algorithm needs it. One number for each rollout, or one for each of its tokens.

    The group holds only rollouts that could be graded, unless the config says otherwise (``run.unscored``).
    """


@hookspec
def keep_group(group: Group) -> bool | None:
    """Collect. Any False drops the group from training, never from the metrics. The group has its advantages."""


@hookspec
def inspect_step(stats: StepStats, groups: Sequence[Group], history: History) -> Sequence[Finding] | None:
    """Collect. Called after the step's update; `groups` are all of the step, `history` holds what came before.

    A monitor keeps no memory of its own: what it needs is in the history, so that a resumed run sees what the first
    one saw. In a replay, `groups` is empty.
    """


@hookspec
def report_step(run: RunContext, stats: StepStats, findings: Sequence[Finding]) -> None:
    """Observers. The step is trained and recorded; `run` itself may already be at the next one."""


@hookspec
def report_eval(run: RunContext, stats: EvalStats) -> None:
    """Observers. One evaluation is recorded."""


@hookspec
def finish_run(run: RunContext, status: str) -> None:
    """Observers, and plugins that own processes. Called exactly once.

    `status`: finished, stopped, interrupted, failed or (`justtinker eval`) evaluated. A `Scorer` calls it when it is
    closed, as a `run` that has a `config` only. Coroutines can still run; later they cannot.
    """


SPECS = {name: spec for name, spec in globals().copy().items() if hasattr(spec, f"{PROJECT}_spec")}
"""Every hook by name, in call order."""


def implements(cls: type[Any], hook: str) -> bool:
    """Return whether a plugin class implements a hook."""
    return hasattr(getattr(cls, hook, None), f"{PROJECT}_impl")


def hooks_of(cls: type[Any]) -> list[str]:
    """Return the hooks that a plugin class implements, in call order."""
    return [name for name in SPECS if implements(cls, name)]
