"""Tasks of a verifiers taskset (Prime Intellect, v1 API) as problems, judged by their own rewards.

A task's rewards, weighted and added up as verifiers does it, are compared with a threshold. They are computed in
processes that can be killed, one pool for each taskset. What fails there (a reward raises, takes too long, is no
number) leaves a response unscored, with the reason.

A task sees a single reply: what follows the thinking is its content, the thinking its reasoning.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Annotated, Any

from pydantic import Field

from justtinker_core import DataSpec, PluginError, Problem, Rollout, RunContext, Verdict, hookimpl, plugin
from justtinker_plugins.environments._verifiers_tasks import (
    WORKER,
    digest_of,
    open_taskset,
    own_fields,
    question_of,
    reply_of,
    select,
)
from justtinker_plugins.shared.foreign import FunctionName
from justtinker_plugins.shared.overlap import overlap_complaints
from justtinker_plugins.shared.pool.pool import Pool, Result

KIND = "verifiers"
META = "verifiers"
"""The key of a problem's metadata under which it says where its task is."""
SHORT = 100
"""Characters of the longest text in a task's data that becomes metadata."""
JUDGING = ("threshold", "seconds", "memory", "workers")
"""Options that matter when responses are judged, not when problems are loaded."""


@plugin
class VerifiersEnv:
    """A taskset of the package verifiers: single agent, one turn, no tools.

    A task's system prompt stands before its question. Numbers and short texts of its data become metadata, and its
    `answer`, if it has one, the gold. No response is compared with it, but `justtinker audit` makes answers from it.
    """

    taskset: Annotated[FunctionName, Field(examples=["sums.py:Sums"])] = ""
    """``package.module:Class``, ``file.py:Class``, or the name of an installed taskset, as for verifiers' own commands.
    Required. A file is looked for in the config's folder, for ``--set`` in the working directory."""
    options: dict[str, Any] = field(default_factory=dict)
    """The taskset's own options, the fields of its config."""
    select: dict[str, Any] = field(default_factory=dict)
    """Which tasks, with the keys of verifiers' ``SelectConfig``: include, exclude, shuffle, seed, skip, limit."""
    threshold: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    """A response is correct if the task's weighted rewards add up to this much, else incorrect."""
    seconds: Annotated[float, Field(gt=0)] = 10.0
    """CPU seconds for one response, after which it is unscored."""
    memory: Annotated[int, Field(ge=1 << 28)] = 4 << 30
    """Bytes that a worker may use."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker processes for each taskset, started when first needed. Default: one per core, at most 8."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str], Pool] = {}

    @hookimpl
    def load_problems(self, spec: DataSpec) -> Iterator[Problem]:
        """One problem for each task that `select` chooses. PluginError if one reply is not all that a task needs."""
        if not self.taskset:
            raise PluginError(f"[{spec.table}] use = 'verifiers_env' needs taskset = 'package.module:Class'")
        taskset = open_taskset(self.taskset, self.options)
        for task in select(taskset, self.select):
            yield self._problem(type(taskset).__name__, task.data)

    def _problem(self, name: str, data: Any) -> Problem:
        own = own_fields(data)
        answer = own.pop("answer", None)
        short = {name: value for name, value in own.items() if is_short(value)}
        task = {"taskset": self.taskset, "options": self.options, "task": data.idx, "digest": digest_of(data)}
        gold = None if answer is None else str(answer)
        return Problem(f"{name}-{data.idx}", question_of(data), gold, KIND, meta={**short, META: task})

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """A complaint for each evaluation set that asks what the run trains on, and each option in the wrong table."""
        misplaced = [
            f"[{spec.table}] {name} = {spec.options[name]!r}: responses are judged as [plugins.verifiers_env] says, "
            f"where it is {getattr(self, name)!r}; set it there"
            for spec in run.config.data
            for name in JUDGING
            if spec.use == "verifiers_env" and spec.options.get(name, getattr(self, name)) != getattr(self, name)
        ]
        fix = "select other tasks, such as select = {skip = 100} here and {limit = 100} there"
        shared = overlap_complaints(run, "verifiers_env", "tasks", lambda p: p.meta.get(META, {}).get("digest"), fix)
        return misplaced + shared

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout, by the rewards of the problem's task. All right answers are one vote."""
        if problem.kind != KIND:
            return None
        try:
            task = problem.meta[META]
            source = str(task["taskset"]), json.dumps(task["options"], sort_keys=True)
            place, digest = int(task["task"]), str(task["digest"])
        except (KeyError, TypeError, ValueError):
            return [Verdict("unscored", rung="task", reason="the problem's metadata names no task") for _ in rollouts]
        replies = [reply_of(rollout) for rollout in rollouts]
        results = self._pool(source).map([(*source, place, digest, reply) for reply in replies])
        return [self._verdict(reply.content, result) for reply, result in zip(replies, results, strict=True)]

    def _pool(self, source: tuple[str, str]) -> Pool:
        with self._lock:
            if source not in self._pools:
                self._pools[source] = Pool(
                    WORKER, workers=self.workers, limit=self.seconds, memory=self.memory, warm_up=source
                )
            return self._pools[source]

    def _verdict(self, content: str, result: Result) -> Verdict:
        answer = content.strip()[:SHORT] or None
        if result.status != "ok":
            why = "the taskset failed" if result.status == "error" else f"no score within the limits ({result.status})"
            return Verdict("unscored", answer, "score", f"{why}: {result.detail}")
        if lacking := [name for name, reward in result.value.items() if reward is None or not math.isfinite(reward[0])]:
            return Verdict("unscored", answer, "score", f"the task gives no number for {' and '.join(lacking)}")
        if not result.value:
            return Verdict("unscored", answer, "score", "the task gives no reward")
        total = math.fsum(score * weight for score, weight in result.value.values())
        if total >= self.threshold or math.isclose(total, self.threshold):
            return Verdict("correct", answer, "score", vote="a right answer")
        terms = ", ".join(f"{name} {score:g} x {weight:g}" for name, (score, weight) in result.value.items())
        return Verdict("incorrect", answer, "score", f"{total:g} is less than {self.threshold:g} ({terms})")

    @hookimpl
    def finish_run(self) -> None:
        """Stop the workers."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()


def is_short(value: Any) -> bool:
    """Return whether a value of a task's data is metadata: a number or a short text."""
    if isinstance(value, str):
        return len(value) <= SHORT
    return isinstance(value, int | float) and math.isfinite(value)
