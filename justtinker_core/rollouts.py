"""Prompt, sample, verify, measure, score: one path, shared by training, evaluation and re-scoring."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from justtinker_core.options import PluginError
from justtinker_core.plugins import Plugins
from justtinker_core.types import Backend, Group, Problem, Prompt, Reward, Rollout, Sample, Sampler, SampleRequest

GRADERS = 4  # threads that verify and score; who burns CPU has processes of its own


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sample."""

    n: int
    max_tokens: int
    temperature: float
    top_p: float
    seed: int


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
    answer = plugins.first("build_prompt", problem=problem)
    if answer is None:
        raise PluginError(
            f"no prompt for problem {problem.id!r} of kind {problem.kind!r}: {passed(plugins, 'build_prompt')}"
        )
    if isinstance(answer, str):
        answer = Prompt(text=answer)
    elif not isinstance(answer, Prompt):
        answer = Prompt(messages=tuple(answer))
    text = answer.text or backend.render(answer.messages)
    stop = answer.stop or (backend.end_token,)
    return Prompt(text, answer.messages, stop, tuple(backend.encode(text)))


def passed(plugins: Plugins, hook: str) -> str:
    """Who was asked and had no answer."""
    return f"{', '.join(plugins.who(hook)) or 'nobody'} passed"


def make_rollout(sample: Sample, prompt: Prompt, backend: Backend) -> Rollout:
    """A one-turn rollout."""
    text = without_stop(backend.decode(sample.tokens), prompt.stop) if sample.stopped else backend.decode(sample.tokens)
    return Rollout(sample.tokens, sample.logprobs, (True,) * len(sample.tokens), text, not sample.stopped)


def without_stop(text: str, stop: Sequence[str]) -> str:
    """The text up to the stop string that ended it."""
    end = next((s for s in stop if text.endswith(s)), "")
    return text.removesuffix(end)


def collect(
    problems: Sequence[Problem],
    step: int,
    plugins: Plugins,
    backend: Backend,
    sampler: Sampler,
    settings: Settings,
    progress: Callable[[int, int], None],
) -> tuple[Group, ...]:
    """Sample n rollouts a problem and judge each group as it arrives, while others are still being sampled."""
    groups = [
        Group(step, index, problem, fill_prompt(problem, plugins, backend)) for index, problem in enumerate(problems)
    ]
    from justtinker_core.episodes import play

    futures = (play if plugins.who("rollout") else sample)(groups, plugins, backend, sampler, settings)
    pool = ThreadPoolExecutor(GRADERS, thread_name_prefix="judge")
    try:
        place = dict(zip(futures, groups, strict=True))
        judged = [
            pool.submit(judge, replace(place[future], rollouts=future.result()), plugins)
            for future in as_completed(futures)
        ]
        for done, job in enumerate(as_completed(judged), 1):
            job.result()
            progress(done, len(groups))
    finally:
        pool.shutdown(cancel_futures=True)
    return tuple(sorted((job.result() for job in judged), key=lambda group: group.index))


def request_of(
    group: Group, tokens: tuple[int, ...], stop: tuple[str, ...], n: int, settings: Settings, *key: int
) -> SampleRequest:
    """The request for a group; its seed is a pure function of (seed, step, group, key)."""
    seed = seed_of(settings.seed, group.step, group.index, *key)
    return SampleRequest(tokens, stop, n, settings.max_tokens, settings.temperature, settings.top_p, seed)


def sample(
    groups: Sequence[Group], plugins: Plugins, backend: Backend, sampler: Sampler, settings: Settings
) -> list[Future[tuple[Rollout, ...]]]:
    """One turn each: every group's request is sent before any is awaited."""
    requests = [request_of(g, g.prompt.tokens, g.prompt.stop, settings.n, settings) for g in groups]

    def rollouts_of(group: Group, samples: Sequence[Sample]) -> tuple[Rollout, ...]:
        return tuple(make_rollout(s, group.prompt, backend) for s in samples)

    return [then(future, partial(rollouts_of, g)) for g, future in zip(groups, sampler.sample(requests), strict=True)]


def then(future: Future[Any], change: Callable[[Any], Any]) -> Future[Any]:
    """A future of the changed result."""
    changed: Future[Any] = Future()

    def pass_on(done: Future[Any]) -> None:
        try:
            changed.set_result(change(done.result()))
        except BaseException as error:
            changed.set_exception(error)

    future.add_done_callback(pass_on)
    return changed


def judge(group: Group, plugins: Plugins) -> Group:
    """Verify, measure and score the rollouts of a group."""
    verdicts = plugins.first("verify", problem=group.problem, rollouts=group.rollouts)
    if verdicts is None:
        raise GroupError(
            f"nobody verifies problem {group.problem.id!r} of kind {group.problem.kind!r}: "
            f"{passed(plugins, 'verify')}; enable a verifier for that kind",
            group,
        )
    if len(verdicts) != len(group.rollouts):
        raise GroupError(f"{len(verdicts)} verdicts for {len(group.rollouts)} rollouts of {group.problem.id!r}", group)
    group = replace(group, verdicts=tuple(verdicts))
    measures, _ = gather("measure", group, plugins)
    group = replace(group, measures=measures)
    return score(group, plugins)


def score(group: Group, plugins: Plugins) -> Group:
    """Give a group with verdicts and measures its rewards, with the weights of its step."""
    weights = plugins.weights(group.step)
    terms, owner = gather("score", group, plugins, only=weights)
    for term, values in terms.items():
        for i, value in enumerate(values):
            if value is not None and not abs(value) <= 1:
                raise GroupError(
                    f"reward term {term!r} of plugin {owner[term]!r} is {value} for rollout {i} of problem "
                    f"{group.problem.id!r}; a raw term is a number in [-1, 1]",
                    group,
                )
    weight = {term: weights[owner[term]] for term in terms}
    rewards = tuple(Reward({t: v[i] for t, v in terms.items()}, weight) for i in range(len(group.rollouts)))
    return replace(group, rewards=rewards)


def gather(
    hook: str, group: Group, plugins: Plugins, only: Collection[str] | None = None
) -> tuple[dict[str, tuple[float | None, ...]], dict[str, str]]:
    """Ask all for columns (name -> one number or None a rollout) and see that they fit; who gave which."""
    columns: dict[str, tuple[float | None, ...]] = {}
    owner: dict[str, str] = {}
    for plugin in plugins.who(hook):
        if only is not None and plugin not in only:
            continue
        for name, values in (plugins.ask(plugin, hook, group=group) or {}).items():
            if name in owner:
                raise GroupError(f"plugins {owner[name]!r} and {plugin!r} both give {name!r} in {hook}", group)
            columns[name] = tuple(checked(v, name, plugin, i, group) for i, v in enumerate(values))
            owner[name] = plugin
            if len(columns[name]) != len(group.rollouts):
                raise GroupError(
                    f"plugin {plugin!r} gives {len(columns[name])} values of {name!r} for {len(group.rollouts)} "
                    f"rollouts of problem {group.problem.id!r}",
                    group,
                )
    return columns, owner


def checked(value: Any, name: str, plugin: str, rollout: int, group: Group) -> float | None:
    """A finite number, or None."""
    if value is None:
        return None
    try:
        if not isinstance(value, str) and math.isfinite(value):
            return float(value)
    except TypeError:
        pass
    raise GroupError(
        f"plugin {plugin!r} gives {name!r} = {value!r} for rollout {rollout} of problem {group.problem.id!r}; "
        "a finite number or None is wanted",
        group,
    )
