"""Prompt, sample, verify, measure, score: one path, shared by training, evaluation and re-scoring."""

from __future__ import annotations

import hashlib
import logging
import math
import numbers
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from typing import Any

from justtinker_core.options import PluginError, SamplingError, all_of
from justtinker_core.plugins import Plugins
from justtinker_core.stats import CORE_METRICS
from justtinker_core.types import (
    OUTCOMES,
    Backend,
    Datum,
    Group,
    Problem,
    Prompt,
    Reward,
    Rollout,
    Sample,
    Sampler,
    SampleRequest,
    Verdict,
)

log = logging.getLogger("justtinker")

GRADERS = 4  # threads that verify and score; who burns CPU has processes of its own


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sample."""

    stage: str
    """What for: "sample" (training) or "evaluate NAME"; part of every seed."""
    samples: int
    """Rollouts a problem."""
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    max_failed: float = 0.0
    """Share of the groups whose sampling may fail for good."""


class GroupError(PluginError):
    """A plugin did something wrong with a group; the group comes along, to be saved."""

    def __init__(self, message: str, group: Group) -> None:
        super().__init__(message)
        self.group = group


def seed_of(*parts: int | str) -> int:
    """A 31-bit seed, a pure function of its parts."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def fill_prompt(problem: Problem, plugins: Plugins, backend: Backend) -> Prompt:
    """Ask the prompt plugins, render messages, encode."""
    answer: Prompt | None = plugins.first("build_prompt", prompt_of, problem=problem)
    if answer is None:
        who = ", ".join(plugins.who("build_prompt")) or "nobody"
        raise PluginError(f"no prompt for problem {problem.id!r} of kind {problem.kind!r}: {who} passed")
    text = answer.text or backend.render(answer.messages)
    stop = stops_of(answer.stop) or (backend.end_token,)
    return Prompt(text, answer.messages, stop, tuple(backend.encode(text)))


def prompt_of(answer: Any) -> Prompt:
    """A text, messages or a Prompt as a Prompt. TypeError names what was found instead."""
    if isinstance(answer, Prompt):
        return answer
    return Prompt(text=answer) if isinstance(answer, str) else Prompt(messages=all_of(dict)(answer))


def stops_of(stop: str | Sequence[str]) -> tuple[str, ...]:
    """Stop strings; one alone may be given as it is."""
    return (stop,) if isinstance(stop, str) else tuple(stop)


def unverified(problem: Problem, plugins: Plugins) -> str:
    """That no verifier takes a problem, and which kinds those take that say so."""
    takes = [(name, getattr(plugins.active[name].instance, "kinds", None)) for name in plugins.who("verify")]
    asked = ", ".join(f"{name} ({', '.join(kinds)})" if kinds else name for name, kinds in takes)
    return (
        f"nobody verifies problem {problem.id!r} of kind {problem.kind!r}: {asked or 'nobody'} passed; "
        "enable a verifier for that kind"
    )


def make_rollout(sample: Sample, prompt: Prompt, backend: Backend) -> Rollout:
    """A one-turn rollout."""
    text = until_stop(backend.decode(sample.tokens), prompt.stop)
    return Rollout(sample.tokens, sample.logprobs, (True,) * len(sample.tokens), text, not sample.stopped)


def datum_of(prompt: Prompt, rollout: Rollout, advantage: float | tuple[float, ...]) -> Datum:
    """Prompt and rollout as one sequence, shifted by one; 0 on everything that the policy did not write."""
    tokens = prompt.tokens + rollout.tokens
    each = advantage if isinstance(advantage, tuple) else (advantage,) * len(rollout.tokens)
    before = (0.0,) * (len(prompt.tokens) - 1)
    if not all(rollout.mask):
        each = tuple(a if wrote else 0.0 for a, wrote in zip(each, rollout.mask, strict=True))
    return Datum(tokens[:-1], tokens[1:], logprobs=before + rollout.logprobs, advantages=before + each)


def until_stop(text: str, stop: Sequence[str]) -> str:
    """The text before the first stop string in it (the last token may reach past it)."""
    return text[: min((place for s in stop if (place := text.find(s)) >= 0), default=len(text))]


def collect(
    problems: Sequence[Problem],
    step: int,
    plugins: Plugins,
    backend: Backend,
    sampler: Sampler,
    settings: Settings,
    first: int = 0,
) -> tuple[Group, ...]:
    """Sample n rollouts a problem and judge each group as it arrives, while others are still being sampled.

    A group that the backend could not sample is left out; PluginError if they are too many.
    """
    groups = [
        Group(step, index, problem, fill_prompt(problem, plugins, backend))
        for index, problem in enumerate(problems, first)
    ]
    from justtinker_core.episodes import play

    futures = (play if plugins.who("rollout") else sample)(groups, plugins, backend, sampler, settings)
    sampled = dict(zip(futures, groups, strict=True))
    judged: list[Group] = []
    failed: list[SamplingError] = []
    done: SimpleQueue[Future[Any]] = SimpleQueue()
    for asked in futures:
        asked.add_done_callback(done.put)
    with threads(GRADERS, "judge") as pool:
        while len(judged) + len(failed) < len(groups):
            future = done.get()
            if isinstance(error := future.exception(), SamplingError):
                failed.append(error)
                check_failed(failed, len(groups), settings.max_failed)
            elif future in sampled:
                job = pool.submit(judge, replace(sampled[future], rollouts=future.result()), plugins)
                job.add_done_callback(done.put)
            else:
                judged.append(future.result())
                plugins.tell("report_progress", stage=settings.stage, done=len(judged), total=len(groups))
    if failed:
        log.warning("%d of %d groups could not be sampled and are left out: %s", len(failed), len(groups), failed[0])
    return tuple(sorted(judged, key=lambda group: group.index))


@contextmanager
def threads(number: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """Threads that are waited for; but not after Ctrl-C, whose reason may be the one that hangs."""
    pool = ThreadPoolExecutor(number, thread_name_prefix=name)
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(not isinstance(error, KeyboardInterrupt), cancel_futures=True)
        raise
    pool.shutdown()


def check_failed(failed: Sequence[SamplingError], groups: int, most: float) -> None:
    """PluginError once more groups than the config allows could not be sampled."""
    if len(failed) > most * groups:
        raise PluginError(
            f"{len(failed)} of {groups} groups could not be sampled ([sampling] max_failed = {most}); "
            f"the first: {failed[0]}"
        ) from failed[0]


class Metered:
    """A sampler that counts tokens as a service bills them: a request's prompt once, then from the cache."""

    def __init__(self, sampler: Sampler, tokens: Counter[str]) -> None:
        self._sampler, self._tokens = sampler, tokens
        self._lock = threading.Lock()

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Send all requests; their futures resolve once they are counted."""
        futures = self._sampler.sample(requests)
        return [then(future, partial(self._count, r)) for r, future in zip(requests, futures, strict=True)]

    def _count(self, request: SampleRequest, samples: list[Sample]) -> list[Sample]:
        hits, prompt = (samples[0].cached if samples else 0), len(request.tokens)
        with self._lock:
            self._tokens["prefill"] += prompt - hits
            self._tokens["cached_prefill"] += hits + (request.n - 1) * prompt
            self._tokens["sampled"] += sum(len(sample.tokens) for sample in samples)
        return samples


def request_of(
    group: Group, tokens: tuple[int, ...], stop: tuple[str, ...], n: int, settings: Settings, *key: int
) -> SampleRequest:
    """The request for a group; its seed is a pure function of (seed, step, group, key)."""
    seed = seed_of(settings.seed, settings.stage, group.step, group.index, *key)
    return SampleRequest(tokens, stop, n, settings.max_tokens, settings.temperature, settings.top_p, seed)


def sample(
    groups: Sequence[Group], plugins: Plugins, backend: Backend, sampler: Sampler, settings: Settings
) -> list[Future[tuple[Rollout, ...]]]:
    """One turn each: every group's request is sent before any is awaited."""
    requests = [request_of(g, g.prompt.tokens, g.prompt.stop, settings.samples, settings) for g in groups]

    def rollouts_of(group: Group, samples: Sequence[Sample]) -> tuple[Rollout, ...]:
        return tuple(make_rollout(s, group.prompt, backend) for s in samples)

    return [then(future, partial(rollouts_of, g)) for g, future in zip(groups, sampler.sample(requests), strict=True)]


def then(future: Future[Any], change: Callable[[Any], Any], changed: Future[Any] | None = None) -> Future[Any]:
    """A future of the changed result; whatever goes wrong reaches whoever waits for it."""
    changed = changed or Future()

    def pass_on(done: Future[Any]) -> None:
        try:
            changed.set_result(change(done.result()))
        except BaseException as error:
            changed.set_exception(error)

    future.add_done_callback(pass_on)
    return changed


def judge(group: Group, plugins: Plugins) -> Group:
    """Verify, measure and score the rollouts of a group. Whatever goes wrong comes with the group as a GroupError."""
    try:
        verdicts = verify(group.problem, group.rollouts, plugins)
        if verdicts is None:
            raise PluginError(unverified(group.problem, plugins))
        group = replace(group, verdicts=verdicts)
        measures, owner = gather("measure", group, plugins, plugins.who("measure"))
        for name in [m for m in measures if m in CORE_METRICS or "@" in m]:
            raise PluginError(f"plugin {owner[name]!r} measures {name!r}, a name of the core's; choose another")
        return score(replace(group, measures=measures), plugins)
    except PluginError as error:
        raise GroupError(str(error), group) from error


def verify(problem: Problem, rollouts: Sequence[Rollout], plugins: Plugins) -> tuple[Verdict, ...] | None:
    """The verdicts of the first plugin that takes the problem; None if there is none."""

    def checked(answer: Any) -> tuple[Verdict, ...]:
        verdicts = checked_verdicts(answer)
        if len(verdicts) != len(rollouts):
            raise ValueError(f"{len(verdicts)} verdicts for the {len(rollouts)} rollouts of problem {problem.id!r}")
        return verdicts

    verdicts: tuple[Verdict, ...] | None = plugins.first("verify", checked, problem=problem, rollouts=rollouts)
    return verdicts


def checked_verdicts(answer: Any) -> tuple[Verdict, ...]:
    """Verdicts whose outcome is one of the three, and that can be recorded."""
    verdicts = all_of(Verdict)(answer)
    for verdict in verdicts:
        if verdict.outcome not in OUTCOMES:
            raise ValueError(f"outcome {verdict.outcome!r}: one of {', '.join(OUTCOMES)} is wanted")
        texts = (verdict.answer, verdict.vote, verdict.rung or None, verdict.reason or None)
        if not all(isinstance(text, str | None) for text in texts):
            raise TypeError(f"answer, vote, rung and reason of a verdict are texts, not {verdict!r:.100}")
    return verdicts


def score(group: Group, plugins: Plugins) -> Group:
    """Give a group with verdicts and measures its rewards, with the weights of its step; none to unscored rollouts."""
    weights = plugins.weights(group.step)
    terms, owner = gather("score", group, plugins, [name for name in plugins.who("score") if name in weights])
    for term, values in terms.items():
        for i, value in enumerate(values):
            if value is not None and not abs(value) <= 1:
                raise PluginError(
                    f"reward term {term!r} of plugin {owner[term]!r} is {value} for rollout {i} of problem "
                    f"{group.problem.id!r}; a raw term is a number in [-1, 1]"
                )
    weight = {term: weights[owner[term]] for term in terms}
    scored = [verdict.outcome != "unscored" for verdict in group.verdicts]
    rewards = (Reward({t: v[i] if s else None for t, v in terms.items()}, weight) for i, s in enumerate(scored))
    return replace(group, rewards=tuple(rewards))


Columns = dict[str, tuple[float | None, ...]]


def gather(hook: str, group: Group, plugins: Plugins, who: Sequence[str]) -> tuple[Columns, dict[str, str]]:
    """Ask plugins for columns (name -> one number or None a rollout) and see that they fit; which plugin gave which."""
    columns: Columns = {}
    owner: dict[str, str] = {}
    for plugin in who:
        answer = plugins.ask(plugin, hook, columns_of, group=group)
        for name, values in (answer or {}).items():
            if name in owner:
                raise PluginError(f"plugins {owner[name]!r} and {plugin!r} both give {name!r} in {hook}")
            if len(values) != len(group.rollouts):
                raise PluginError(
                    f"plugin {plugin!r} gives {len(values)} values of {name!r} for the {len(group.rollouts)} "
                    f"rollouts of problem {group.problem.id!r}"
                )
            owner[name] = plugin
            columns[name] = tuple(
                None if v is None else number(v, f"plugin {plugin!r}: {name!r} of rollout {i} of {group.problem.id!r}")
                for i, v in enumerate(values)
            )
    return columns, owner


def columns_of(answer: Any) -> dict[str, tuple[Any, ...]]:
    """A plugin's columns; TypeError shows what was found instead."""
    if not isinstance(answer, Mapping) or not all(isinstance(values, Iterable) for values in answer.values()):
        raise TypeError(f"name -> list of one number or None a rollout is wanted, not {answer!r:.100}")
    return {name: tuple(values) for name, values in answer.items()}


def number(value: Any, what: str) -> float:
    """A finite float, or a PluginError that says what it was to be."""
    with suppress(OverflowError):
        if isinstance(value, numbers.Real) and math.isfinite(value):
            return float(value)
    raise PluginError(f"{what} is {value!r}; a finite number is wanted")
