"""A reward term from a reward function of TRL, in a package or in a file of yours.

The function is asked about the graded responses of one group at a time, in a process that can be killed: many of these
functions can hang, and as TRL calls them, nothing could end them.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout, RunContext, hookimpl, plugin
from justtinker_core.errors import nearest
from justtinker_core.scorer import UNKNOWN
from justtinker_plugins.rewards._trl_reward.calls import TABLE, Batch, Uncounted, call_here
from justtinker_plugins.shared.foreign import FunctionName, in_range, number_of, scaling
from justtinker_plugins.shared.pool.kept import KeptPool
from justtinker_plugins.shared.pool.pool import Pool, Result

log = logging.getLogger("justtinker")
WORKER = "justtinker_plugins.rewards._trl_reward.calls:call"


@plugin
class TrlReward:
    """Pays what a reward function for TRL's trainers gives, times `scale`; see docs/bridges.md."""

    function: Annotated[FunctionName, Field(examples=["trl.rewards:think_format_reward"])]
    """``package.module:name``, or ``folder/file.py:name``, relative to the config. Sync or async."""
    arguments: dict[str, Any] | None = None
    """If set, `function` makes the function, with these arguments, as ``trl.rewards:get_soft_overlong_punishment``."""
    columns: dict[str, str] = field(default_factory=dict)
    """Column that the function wants -> the column to give it: ``question``, ``answer``, ``solution`` (the gold too),
    or a key of the problems' metadata. By default it gets all of these by their own names."""
    completions: Literal["messages", "text"] = "messages"
    """Whether prompts and completions are lists of chat messages or plain texts."""
    scale: float = 1.0
    """What the function's numbers are multiplied with."""
    clip: bool = False
    """Cut off what then lies outside [-1, 1]; false: that is an error."""
    term: str = "trl_reward"
    """The name of the reward term."""
    per_group: bool = False
    """Whether the function compares the responses that it is asked about."""
    isolated: bool = True
    """Ask in processes that are killed when they hang. False: in the run's own, for functions that share something."""
    limit: Annotated[float, Field(gt=0)] = 10.0
    """CPU seconds for one call. One that only waits may take five times as long, and once more, alone, ten times."""
    memory: Annotated[int, Field(ge=1 << 28)] = 1 << 34
    """Bytes of address space that a worker may use, the function's packages included."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker processes, started when first needed. Default: one per core, at most 8."""

    def __post_init__(self) -> None:
        self._workers = KeptPool(self._make_pool)
        self._has_warned = False

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain if the function cannot be loaded, or wants a column that the first problem of a data set lacks.

        It also says in the log that numbers are scaled or cut off.
        """
        if changed := scaling(self.scale, self.clip):
            log.warning("plugin %r: what %s gives is %s", self.term, self.function, changed)
        first = [run.train_problems[:1], *(problems[:1] for problems in run.eval_problems.values())]
        complaints = []
        for problem in [problem for problems in first for problem in problems]:
            try:
                self._ask([self._batch(problem, Prompt(problem.question), (), 1)])
            except PluginError as error:
                complaints.append(str(error))
        return list(dict.fromkeys(complaints))

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return the term: None for unscored rollouts, and where the function gives None or cannot be stopped.

        PluginError if the function gives something else than a number in [-1, 1] for each, or raises for all.
        """
        raw: list[float | None] = [None] * len(group.rollouts)
        places = [i for i, verdict in enumerate(group.verdicts) if verdict.outcome != "unscored"]
        if places:
            rollouts = [group.rollouts[i] for i in places]
            found = self._values(self._batch(group.problem, group.prompt, rollouts, group.step))
            for place, value in zip(places, found, strict=True):
                raw[place] = self._raw(value)
        return {self.term: raw}

    def _batch(self, problem: Problem, prompt: Prompt, rollouts: Sequence[Rollout], step: int) -> Batch:
        gold = problem.answer
        columns = {"question": problem.question, "answer": gold, "solution": gold, **problem.meta}
        for name, source in self.columns.items():
            if source not in columns:
                hint = nearest(source, list(columns))
                raise PluginError(f"{TABLE} columns: problem {problem.id!r} has no {source!r} for {name!r}{hint}")
        columns |= {name: columns[source] for name, source in self.columns.items()}
        texts = [rollout.response for rollout in rollouts]
        ids = [tokens_of(rollout) for rollout in rollouts]
        known = None if None in ids else tuple(ids)
        where = f"problem {problem.id!r}"
        if self.completions == "text":
            return Batch(where, prompt.text or problem.question, tuple(texts), known, columns, step)
        asked = [dict(message) for message in prompt.messages] or [{"role": "user", "content": problem.question}]
        chats = tuple([{"role": "assistant", "content": text}] for text in texts)
        return Batch(where, asked, chats, known, columns, step)

    def _values(self, batch: Batch) -> list[Any]:
        """The function's values; if it fails, each response is asked about alone, to spare the others."""
        (result,) = self._ask([batch])
        if result.status == "ok":
            return list(result.value[1])
        alone = [] if self.per_group else self._ask([batch.alone(i) for i in range(len(batch.completions))])
        if result.status == "error" and not any(each.status != "error" for each in alone):
            chat = '; completions are lists of messages: `completions = "text"` passes texts'
            hint = chat if self.completions == "messages" else ""
            raise PluginError(f"{self.function} failed for {batch.where}: {result.detail}{hint}")
        self._warn(next((each for each in alone if each.status != "ok"), result), batch.where)
        return [each.value[1][0] if each.status == "ok" else None for each in alone] or [None] * len(batch.completions)

    def _warn(self, result: Result, where: str) -> None:
        if result.status != "ok" and not self._has_warned:
            self._has_warned = True
            text = "%s gives no number for a response to %s (%s: %s): its %r is None. Said once"
            log.warning(text, self.function, where, result.status, result.detail, self.term)

    def _ask(self, batches: Sequence[Batch]) -> list[Result]:
        """Ask about each batch. PluginError if the function cannot be used like this."""
        asked = [(self.function, self._made, batch) for batch in batches]
        results = self._workers.get().map(asked) if self.isolated else [call_here(*each) for each in asked]
        for wrong in [result.value[0] for result in results if result.status == "ok"]:
            if wrong:
                raise PluginError(wrong)
        return results

    @property
    def _made(self) -> str | None:
        """What makes the function, as the workers remember it."""
        return None if self.arguments is None else json.dumps(self.arguments, sort_keys=True)

    def _make_pool(self) -> Pool:
        warm_up = (self.function, self._made, None)
        return Pool(WORKER, workers=self.workers, limit=self.limit, memory=self.memory, warm_up=warm_up)

    def _raw(self, value: Any) -> float | None:
        number = number_of(value, self.function)
        if number is not None and math.isnan(number):
            raise PluginError(f"{self.function} gave NaN: expected a number, or None where it does not apply")
        return None if number is None else in_range(number, self.scale, self.clip, f"{TABLE} {self.function}")

    @hookimpl
    def finish_run(self) -> None:
        """Stop the workers."""
        self._workers.close()


def tokens_of(rollout: Rollout) -> Sequence[int] | None:
    """Return a response's tokens; only their number, or None, if they are not known."""
    if not rollout.tokens:
        return None if rollout.text else []
    return Uncounted(len(rollout.tokens)) if rollout.tokens[0] == UNKNOWN else list(rollout.tokens)
