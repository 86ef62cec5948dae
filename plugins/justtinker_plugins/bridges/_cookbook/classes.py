"""The cookbook's abstract classes, filled in. Importing this module imports the cookbook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import chz
import tinker
from tinker_cookbook import renderers
from tinker_cookbook.rl.types import Env, EnvGroupBuilder, RLDataset, RLDatasetBuilder, StepResult
from tinker_cookbook.tokenizer_utils import get_tokenizer
from tinker_cookbook.utils import logtree
from tinker_cookbook.utils.logtree_formatters import ConversationFormatter

from justtinker_core import DataSpec, Group, PluginError, Problem, Prompt, Rollout, Scorer, data
from justtinker_plugins.bridges._cookbook.judging import opened, problems_of, rewards_of, rollout_of, table_of
from justtinker_plugins.bridges._stack import in_thread

USER = "{problem}\n\nPlease reason step by step, and put your final answer within \\boxed{}."


class JusttinkerEnv(Env):  # type: ignore[misc]  # the cookbook is not there when types are checked
    """One rollout: the messages, rendered, then one response. Its group judges it, so `step` itself pays 0."""

    def __init__(self, messages: list[dict[str, str]], renderer: Any) -> None:
        self.messages, self.renderer = messages, renderer

    async def initial_observation(self) -> tuple[Any, Any]:
        """The prompt, and what stops a sample."""
        return self.renderer.build_generation_prompt(self.messages), self.renderer.get_stop_sequences()

    async def step(self, action: list[int], *, extra: Any = None) -> StepResult:
        """End the episode, and log the conversation as the cookbook's own environments do."""
        with logtree.scope_header("Prompt"):
            logtree.log_formatter(ConversationFormatter(messages=self.messages))
        with logtree.scope_header("Policy Response"):
            logtree.log_formatter(ConversationFormatter(messages=[self.renderer.parse_response(action)[0]]))
        return StepResult(0.0, True, tinker.ModelInput.empty(), self.renderer.get_stop_sequences())


@dataclass(frozen=True)
class JusttinkerGroupBuilder(EnvGroupBuilder):  # type: ignore[misc]
    """The rollouts of one problem, scored together when all are there: terms that compare a group see it whole.

    It pickles: a scorer opens its plugins again where it is unpickled, and renderers of `get_renderer` pickle, too.
    """

    scorer: Scorer
    problem: Problem
    renderer: Any
    """Of `tinker_cookbook.renderers.get_renderer`."""
    group_size: int
    user: str = USER
    """The user's message; ``{problem}`` stands for the question."""
    system: str | None = None
    step: int = 0
    """For weights that follow a schedule."""
    tags: tuple[str, ...] = ()
    """For the cookbook's logs: metrics stand under ``env/TAG/``, too, if a batch has several."""

    def __post_init__(self) -> None:
        if "{problem}" not in self.user:
            raise PluginError(f"user = {self.user!r} never shows the question; write {{problem}} where it goes")

    async def make_envs(self) -> Sequence[JusttinkerEnv]:
        """As many environments as the group has rollouts."""
        user = {"role": "user", "content": self.user.replace("{problem}", self.problem.question)}
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [JusttinkerEnv([*system, user], self.renderer) for _ in range(self.group_size)]

    async def compute_group_rewards(
        self, trajectory_group: list[Any], env_group: Sequence[Env]
    ) -> list[tuple[float, dict[str, float]]]:
        """One reward and its metrics for each trajectory (see `judging.rewards_of`). GroupError if a plugin fails."""
        rollouts = tuple(self.rollout(trajectory.transitions[-1].ac) for trajectory in trajectory_group)
        group = Group(self.step, 0, self.problem, Prompt(self.problem.question), rollouts)
        judged = await in_thread(self.scorer, self.scorer.judge, group)
        pairs = rewards_of(self.scorer, judged)
        for i, (reward, metrics) in enumerate(pairs):
            shown = {"answer": str(self.problem.answer), "outcome": judged.verdicts[i].outcome, "reward": reward}
            logtree.table_from_dict({**shown, **metrics}, caption=f"Rewards of trajectory {i}")
        return pairs

    def rollout(self, action: Any) -> Rollout:
        """What was sampled, as a rollout. Its text has its thinking in ``<think>`` tags, whatever the format."""
        message, _ = self.renderer.parse_response(action.tokens)
        text = renderers.format_content_as_string(message["content"], separator="")
        cut = action.stop_reason == "length" or not action.tokens
        return rollout_of(action.tokens, action.maybe_logprobs, text, cut)

    def logging_tags(self) -> list[str]:
        """The tags."""
        return list(self.tags)


class JusttinkerDataset(RLDataset):  # type: ignore[misc]
    """Batches of group builders. Those of a training set are drawn as in a run of ours: a new order every epoch."""

    def __init__(self, groups: Sequence[JusttinkerGroupBuilder], batch_size: int, n_batches: int, seed: int | None):
        self.groups, self.batch_size, self.n_batches, self.seed = groups, batch_size, n_batches, seed

    def get_batch(self, index: int) -> list[JusttinkerGroupBuilder]:
        """The builders of a batch, from 0. Without a seed: in their order, so the last batch may be short."""
        if self.seed is None:
            return list(self.groups[index * self.batch_size : (index + 1) * self.batch_size])
        drawn = data.draw(self.groups, index + 1, self.batch_size, self.seed)
        return [replace(group, step=index + 1) for group in drawn]

    def __len__(self) -> int:
        return self.n_batches


@chz.chz
class JusttinkerDatasetBuilder(RLDatasetBuilder):  # type: ignore[misc]
    """The problems and rewards of a config.

    Trains on ``[data.train]`` and tests on all ``[data.eval.NAME]``, one rollout a problem.
    """

    config: str
    """A file, a preset or a run directory."""
    batch_size: int
    """Problems a batch."""
    group_size: int
    """Rollouts a problem."""
    model_name_for_tokenizer: str
    renderer_name: str
    sets: tuple[str, ...] = ()
    """Changes to the config, like ``--set``."""
    plugins: tuple[str, ...] = ()
    """Changes to the active plugins, like ``-p``."""
    user: str = USER
    system: str | None = None
    n_batches: int | None = None
    """Default: as many as it takes to see every problem."""

    async def __call__(self) -> tuple[JusttinkerDataset, JusttinkerDataset | None]:
        """Load the problems. PluginError if the config is wrong, cannot score or has no ``[data.train]``."""
        config, scorer = opened(self.config, self.sets, self.plugins)
        renderer = renderers.get_renderer(self.renderer_name, tokenizer=get_tokenizer(self.model_name_for_tokenizer))
        group = partial(JusttinkerGroupBuilder, scorer, renderer=renderer, user=self.user, system=self.system)

        def groups(spec: DataSpec, size: int, tag: str) -> list[JusttinkerGroupBuilder]:
            return [group(problem, group_size=size, tags=(tag,)) for problem in problems_of(config, spec)]

        table = table_of(config)
        train = groups(table, self.group_size, table.use)
        test = [g for spec in config.data if spec.purpose == "eval" for g in groups(spec, 1, spec.name)]
        batches = math.ceil(len(train) / self.batch_size) if self.n_batches is None else self.n_batches
        return (
            JusttinkerDataset(train, self.batch_size, batches, config.run.seed),
            JusttinkerDataset(test, self.batch_size, math.ceil(len(test) / self.batch_size), None) if test else None,
        )
