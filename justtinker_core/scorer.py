"""The reward stack of a config outside a run: verify, measure, score and credit responses from anywhere."""

from __future__ import annotations

import atexit
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from justtinker_core import config_files, grading
from justtinker_core.config import RunConfig
from justtinker_core.discovery import look_up
from justtinker_core.enabling import installed, open_plugins
from justtinker_core.errors import PluginError, all_or_none
from justtinker_core.graders import graders, judged_in_order, on_executor
from justtinker_core.hookspecs import attribute_of, hooks_of
from justtinker_core.plugins import Plugins
from justtinker_core.types import Group, Problem, Prompt, Rollout
from justtinker_core.weights import Ramp

HOOKS = frozenset({"verify", "measure", "score", "advantages", "keep_group"})
ROLES = frozenset({"verifiers", "metrics", "rewards", "advantages", "environments", "local"})
"""Where these hooks are found. Plugins of other roles (backends, data sets ...) are not even imported."""
UNKNOWN = -1
"""The id of every token of a rollout that is known as text only."""


class Scorer:
    """The verifiers, metrics, rewards and advantages of a config, ready to score.

    `config` is a file, a preset, a run directory, the tables of a config, or a `RunConfig`; a config may also hold
    nothing but ``[plugins]`` and ``[local_plugins]``. `sets` and `plugins` change it like ``--set`` and ``-p``:
    ``sets=["plugins.redundancy.weight=0.5"]``, ``plugins=["no:format"]``. PluginError if the config is wrong or no
    active plugin verifies or scores.

    Use it as a context manager, or call `close`: verifiers may own processes. It is safe to call from several threads.
    A pickled scorer opens its plugins again where it is unpickled, once per process. Of installed plugins only those
    that judge are imported, so no model is loaded; local plugins are, to see what they do. The core passes `active`,
    plugins that are open already, which `close` then leaves alone.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any] | RunConfig,
        sets: Sequence[str] = (),
        plugins: Sequence[str] = (),
        *,
        active: Plugins | None = None,
    ) -> None:
        self.config = config_of(config, sets, plugins)
        self.plugins = active or open_plugins(judging(self.config))
        if active is None:
            all_or_none(partial(self.plugins.require, hook, "scoring") for hook in ("verify", "score"))
        self._open = active is None

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, tuple[RunConfig]]:
        return scorer_of_process, (self.config,)

    @property
    def step_needed(self) -> str:
        """What makes scores depend on the step: the weight schedules of rewards; '' if nothing does."""
        ramps = [n for n, a in self.plugins.active.items() if a.reward and isinstance(a.reward.weight, Ramp)]
        return f"the weight schedule of {' and '.join(ramps)}" if ramps else ""

    @property
    def per_group(self) -> tuple[str, ...]:
        """The reward plugins that compare the rollouts of a group. With them, one response alone cannot be scored."""
        rewards = {name: a.instance for name, a in self.plugins.active.items() if a.reward}
        return tuple(name for name, reward in rewards.items() if attribute_of(reward, "per_group"))

    def score(
        self,
        *,
        question: str,
        answer: str | None,
        responses: Sequence[str],
        kind: str = "math",
        meta: Mapping[str, Any] | None = None,
        tokens: Sequence[int] | None = None,
        truncated: Sequence[bool] | None = None,
        opened: str = "",
        step: int | None = None,
    ) -> Group:
        """Score the responses to one problem as a run would: they are the group.

        Returns a `Group` with verdicts, measures, rewards and, if an advantages plugin is active, advantages; all in
        the order of `responses`. `tokens` says how long each response is, in tokens; without it, metrics that read
        lengths are left out, and a reward that does is an error. `opened` is what the prompt already held of each
        response, such as ``<think>``. `step` is needed if a weight follows a schedule.
        Raises GroupError, a PluginError, if a plugin fails.
        """
        if isinstance(responses, str) or not responses or not all(isinstance(text, str) for text in responses):
            raise PluginError(f"responses: expected a list of one or more texts, got {responses!r:.60}")
        if step is None and (needed := self.step_needed):
            raise PluginError(f"step: expected a number, since the rewards depend on it ({needed})")
        for name, column in (("tokens", tokens), ("truncated", truncated)):
            if column is not None and len(column) != len(responses):
                raise PluginError(f"{name}: expected {len(responses)} entries, one a response, got {len(column)}")
        if not isinstance(opened, str):
            raise PluginError(f"opened: expected one text for all responses, such as '<think>', got {opened!r:.60}")
        if tokens is not None and min(tokens) < 0:
            raise PluginError(f"tokens: expected counts, got {min(tokens)}")
        cut = truncated if truncated is not None else [False] * len(responses)
        counts = tokens if tokens is not None else [None] * len(responses)
        rollouts = tuple(text_rollout(*row, opened) for row in zip(responses, counts, cut, strict=True))
        problem = Problem("scored", question, answer, kind, meta=dict(meta or {}))
        return self.credit(self.judge(Group(step or 0, 0, problem, Prompt(question), rollouts)))

    def judge(self, group: Group) -> Group:
        """Verify, measure and score a group; metrics that read what its rollouts lack are left out."""
        return self.plugins.wait_for(self._judging(group))

    @property
    def at_once(self) -> int:
        """How many groups to judge at once: ``[grading] threads``, or ``groups`` if a hook is a coroutine."""
        return self.config.grading.groups if self.plugins.coroutines else self.config.grading.threads

    def judge_all(self, groups: Iterable[Group], executor: Executor | None = None) -> Iterator[Group]:
        """Judge groups as `judge` does, many at a time, and yield them in order. Takes few more than it has yielded.

        They are judged on the executor, or else as ``[grading]`` says: in threads, or together on an event loop if a
        hook is a coroutine.
        """
        if executor is not None:
            yield from judged_in_order(
                groups, on_executor(executor, "the executor", self.judge), self.config.grading.groups
            )
            return
        with graders(self.plugins, self._judging) as grade:
            yield from judged_in_order(groups, grade, 2 * self.at_once)

    async def _judging(self, group: Group) -> Group:
        return await grading.judging(group, self.plugins, self.left_out(group))

    def credit(self, group: Group) -> Group:
        """Give a judged group its advantages, and ask whether it is kept. Unchanged if no plugin gives advantages."""
        if not self.plugins.who("advantages"):
            return group
        return grading.credit(group, self.plugins, self.config.run.unscored)

    def left_out(self, group: Group) -> dict[str, str]:
        """Return the metrics to skip -> what the group's rollouts lack for them, "tokens" or "logprobs"."""
        lacks = {what for rollout in group.rollouts for what in lacking(rollout)}
        found: dict[str, str] = {}
        for name in self.plugins.who("measure") if lacks else ():
            if lacked := [what for what in attribute_of(self.plugins.active[name].instance, "reads") if what in lacks]:
                found[name] = lacked[0]
        return found

    def close(self) -> None:
        """Let plugins end their processes; safe to call twice."""
        if self._open:
            self._open = False
            self.plugins.tell("finish_run", run=self, status="finished")
            self.plugins.close(again=True)


def config_of(
    config: str | Path | Mapping[str, Any] | RunConfig, sets: Sequence[str], plugins: Sequence[str]
) -> RunConfig:
    """The config that a scorer is made from, changed; a ``[run]`` that it lacks is filled in."""
    if isinstance(sets, str) or isinstance(plugins, str):
        raise PluginError(f"sets and plugins: expected lists of texts, got {sets!r} and {plugins!r}")
    if isinstance(config, RunConfig):
        if sets or plugins:
            raise PluginError("a RunConfig cannot be changed by sets or plugins: give the tables or the file")
        return config
    if isinstance(config, Mapping):
        return config_files.changed({**config_files.BARE, **config}, Path.cwd(), sets, plugins)
    tables, folder, name = config_files.load(config)
    return config_files.changed({**config_files.BARE, **tables}, folder, sets, plugins, name)


def judging(config: RunConfig) -> RunConfig:
    """The config with only those plugins enabled that judge."""
    found = installed(config)
    names = [name for name in config.enable if look_up(name, found).role in ROLES]
    kept = [n for n in names if found[n].role != "local" or HOOKS & set(hooks_of(found[n].load()))]
    return replace(config, enable=tuple(kept))


_scorers: dict[str, Scorer] = {}
_lock = threading.Lock()


def scorer_of_process(config: RunConfig) -> Scorer:
    """This process's scorer of a config, made when it is first unpickled."""
    key = config.dump()
    with _lock:
        scorer = _scorers.get(key)
        if scorer is None or not scorer._open:  # it has been closed
            scorer = _scorers[key] = Scorer(config, active=open_plugins(judging(config)))
            scorer._open = True  # these plugins are its own
            atexit.register(scorer.close)
        return scorer


class UncountedRollout(Rollout):
    """A rollout that is known as text only. Reading its length raises instead of returning 0."""

    __slots__ = ()

    @property
    def response_tokens(self) -> NoReturn:
        """Raise ValueError: the length is unknown."""
        raise ValueError(
            "the length of a response is not known: give 'tokens' (how many each has), or disable the plugin"
        )


def text_rollout(text: str, tokens: int | None, truncated: bool = False, opened: str = "") -> Rollout:
    """A rollout of which only the text is known and, unless `tokens` is None, how many tokens it has."""
    if tokens is None:
        return UncountedRollout((), (), (), text, truncated, opened)
    return Rollout((UNKNOWN,) * tokens, (math.nan,) * tokens, (True,) * tokens, text, truncated, opened)


def lacking(rollout: Rollout) -> tuple[str, ...]:
    """What a rollout that was read back lacks."""
    uncounted = isinstance(rollout, UncountedRollout)
    unknown = uncounted or (rollout.logprobs and math.isnan(rollout.logprobs[0]))
    lacks = {"tokens": uncounted, "logprobs": unknown, "reference": not rollout.reference}
    return tuple(what for what, is_lacking in lacks.items() if is_lacking)
