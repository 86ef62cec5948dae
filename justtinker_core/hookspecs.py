"""Every question the core asks its plugins, in the order in which it asks them: the reference for authors.

A plugin answers a question by a method of that name, marked ``@hookimpl``. It may leave out arguments that it
does not need. Hooks are plain functions, called from threads of the loop: no coroutines; whoever burns CPU owns
its processes. *First answer* means: asked in the order of the config's `enable` list until one is not None.
*Collect* means: all are asked. A hook that raises ends the run with an error that names its plugin, save the
observers (`report_*`, `finish_run`, and `inspect_step` of monitors with ``fatal = False``): these are logged once
and survived. A call that takes a minute is warned of, with plugin, step and problem; waiting for the backend does not
count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

from justtinker_core.types import (
    Backend,
    Batch,
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

if TYPE_CHECKING:
    from justtinker_core.config import DataSpec
    from justtinker_core.episodes import Policy
    from justtinker_core.run import Run

PROJECT = "justtinker"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def load_problems(spec: DataSpec, seed: int) -> Iterable[Problem]:
    """Asked of the plugin that a ``[data.…]`` table names, with that table's keys as its options.

    `spec` says which table it is (``spec.name``) and for what (``spec.purpose``: "train" or "eval"). Core applies
    `limit` and `stratify_by`, and refuses duplicated ids. `seed` is for whoever generates; an evaluation set
    has its own, so what is held out must not depend on it. Rows that give no problem may be counted by reason in an
    attribute ``skipped``, a mapping; core keeps it as ``run.skipped``.
    """


@hookspec
def drop_problems(run: Run) -> Mapping[str, str] | None:
    """Collect. Called when all data is loaded. Ids of training problems to leave out -> why, as ``run.skipped`` counts.

    `run.train_problems` holds what the table's `limit` and the plugins before left.
    """


@hookspec(firstresult=True)
def open_backend(run: Run) -> Backend:
    """Exactly one plugin. Open the model ``run.config.run.model`` for sampling and training."""


@hookspec
def preflight(run: Run) -> Sequence[str] | None:
    """Collect. Called when the backend is open, before anything is spent. Each complaint stops the run.

    All are told at once, so a data set that could not be loaded is missing from `run`, and the backend may be out of
    reach: encode only if ``run.ready`` (the backend's own plugin is asked first).
    """


@hookspec(firstresult=True)
def build_prompt(problem: Problem) -> str | Sequence[Message] | Prompt | None:
    """First answer. A text as the model shall see it, chat messages for its chat template, or a `Prompt`."""


@hookspec(firstresult=True)
def collect_batch(step: int, run: Run) -> Batch:
    """Exactly one plugin: the algorithm. Step counts from 1.

    Its class attribute ``needs`` names the other hooks that somebody must implement, e.g.
    ``needs = ("build_prompt", "verify", "score", "advantages")``.
    """


@hookspec(firstresult=True)
def expect_tokens(run: Run, response: float) -> Mapping[str, float] | None:
    """First answer, for estimates: tokens of one step if responses have so many (prefill, cached_prefill, sampled,
    trained). An algorithm may leave it out.
    """


@hookspec(firstresult=True)
def rollout(problem: Problem, prompt: Prompt, policy: Policy) -> Rollout | None:
    """First answer. Play one episode (several turns, tools); called once a rollout, in a thread of its own.

    Nobody, or None: one turn, sampled by core.
    """


@hookspec(firstresult=True)
def verify(problem: Problem, rollouts: Sequence[Rollout]) -> Sequence[Verdict] | None:
    """First answer. One verdict a rollout, in order; None: not my kind of problem (``problem.kind``).

    May be called from several threads at a time. Nobody answers: an error. Before a run, golds of the usual kinds
    (math, number, text, choice) are tried: where a right answer need not be the gold, give the problems another kind.
    """


@hookspec
def measure(group: Group) -> Mapping[str, Sequence[float | None]] | None:
    """Collect. Name -> one number, or None, a rollout. The step's record holds the mean of each name.

    The group has rollouts and verdicts. Two plugins with one name: an error.
    """


@hookspec
def score(group: Group) -> Mapping[str, Sequence[float | None]] | None:
    """Collect. Reward term -> one raw number in [-1, 1] a rollout, or None where the term does not apply.

    The group has rollouts, verdicts and measures. Only core weighs terms. One term from two plugins, a wrong
    length, or a number that is not finite or outside [-1, 1]: an error.
    """


@hookspec
def report_progress(stage: str, done: int, total: int) -> None:
    """Observers, within a step: `done` of `total` groups are scored. Stage: "sample" or "evaluate NAME"."""


@hookspec(firstresult=True)
def advantages(group: Group) -> Sequence[float | Sequence[float]]:
    """Exactly one plugin, if the algorithm needs it. One number a rollout, or one for each of its tokens.

    The group holds scored rollouts only (unscored ones have left it, unless the config says otherwise).
    """


@hookspec
def keep_group(group: Group) -> bool | None:
    """Collect. Any False drops the group from training, never from the metrics. The group has its advantages."""


@hookspec
def inspect_step(stats: StepStats, groups: Sequence[Group], history: History) -> Sequence[Finding] | None:
    """Collect. Called after the step's update; `groups` are all of the step, `history` holds what came before.

    A monitor keeps no memory of its own: what it needs stands in the history, so that a resumed run (and a replay)
    sees what the first one saw. Offline, `groups` may be empty.
    """


@hookspec
def report_step(run: Run, stats: StepStats, findings: Sequence[Finding]) -> None:
    """Observers. The step is trained and recorded; `run` itself may be at the next one already."""


@hookspec
def report_eval(run: Run, stats: EvalStats) -> None:
    """Observers. One evaluation is recorded."""


@hookspec
def finish_run(run: Run, status: str) -> None:
    """Observers, and plugins that own processes. Always called, once: finished, stopped, interrupted or failed."""
