"""From problems to judged groups: prompt, sample or play, judge. Training and evaluation share this path."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from typing import Any

from justtinker_core.answers import checked_rollout, prompt_of
from justtinker_core.episodes import Policy, TurnBatcher
from justtinker_core.errors import PluginError, SamplingError
from justtinker_core.graders import Grade, graders
from justtinker_core.grading import judging
from justtinker_core.grading import verify as verify  # documented here
from justtinker_core.plugins import Plugins
from justtinker_core.reference import Reference
from justtinker_core.sampling import (
    Settings,
    all_results,
    make_rollout,
    opened_by,
    request_of,
    stops_of,
    submit,
    then,
    threads,
)
from justtinker_core.sampling import datum_of as datum_of  # documented here
from justtinker_core.types import Backend, Group, Problem, Prompt, Rollout, Sample, Sampler

log = logging.getLogger("justtinker")

EPISODES = 512
"""Most episodes that are played at a time."""


def fill_prompt(problem: Problem, plugins: Plugins, backend: Backend) -> Prompt:
    """Ask the prompt plugins for a problem's prompt, and let the backend render it."""
    answer: Prompt | None = plugins.first("build_prompt", prompt_of, problem=problem)
    if answer is None:
        active = ", ".join(plugins.who("build_prompt")) or "none"
        raise PluginError(f"no prompt plugin takes problem {problem.id!r} of kind {problem.kind!r} (active: {active})")
    rendered = backend.render(answer.text or answer.messages, **answer.template)
    opened = opened_by(rendered.text) if answer.opened is None else answer.opened
    return replace(
        answer, text=rendered.text, tokens=rendered.tokens, stop=stops_of(answer.stop) or rendered.stop, opened=opened
    )


def collect(
    problems: Sequence[Problem],
    step: int,
    plugins: Plugins,
    backend: Backend,
    sampler: Sampler,
    settings: Settings,
    first: int = 0,
    grade: Grade | None = None,
) -> tuple[Group, ...]:
    """The groups of `stream`, in the order of their problems."""
    return in_order(stream(problems, step, plugins, backend, sampler, settings, first, grade))


def in_order(groups: Iterable[Group]) -> tuple[Group, ...]:
    """The groups of a step in the order of their problems."""
    return tuple(sorted(groups, key=lambda group: group.index))


def stream(
    problems: Sequence[Problem],
    step: int,
    plugins: Plugins,
    backend: Backend,
    sampler: Sampler,
    settings: Settings,
    first: int = 0,
    grade: Grade | None = None,
    reference: Reference | None = None,
    over: Future[None] | None = None,
) -> Iterator[Group]:
    """Send the requests for n rollouts a problem now; judge and yield each group as it is done.

    `first` is the index of the first group in its step. `grade` submits a group to be judged; if None, this
    process judges. With a `reference`, the rollouts get its log-probabilities before they are judged. If `over` raises,
    so does this, at once. A group that the backend could not sample is left out; PluginError if they are too many.
    """
    groups = [
        Group(step, i, problem, fill_prompt(problem, plugins, backend)) for i, problem in enumerate(problems, first)
    ]
    futures = (play if plugins.who("rollout") else sample)(groups, plugins, backend, sampler, settings)
    if reference is not None:
        futures = [reference.add_to(future, g.prompt) for future, g in zip(futures, groups, strict=True)]
    return as_judged(dict(zip(futures, groups, strict=True)), plugins, settings, grade, over)


def as_judged(
    sampled: dict[Future[tuple[Rollout, ...]], Group],
    plugins: Plugins,
    settings: Settings,
    grade: Grade | None,
    over: Future[None] | None = None,
) -> Iterator[Group]:
    """Submit each group when its rollouts arrive, and yield it when it is judged."""
    if grade is None:
        with graders(plugins, partial(judging, plugins=plugins)) as grade:
            yield from as_judged(sampled, plugins, settings, grade, over)
        return
    judged, failed = 0, list[SamplingError]()
    plugins.tell("report_progress", stage=settings.stage, done=judged, total=len(sampled))
    done: SimpleQueue[Future[Any]] = SimpleQueue()
    for asked in sampled:
        asked.add_done_callback(done.put)
    if over is not None:
        over.add_done_callback(done.put)
    while judged + len(failed) < len(sampled):
        future = done.get()
        if isinstance(error := future.exception(), SamplingError):
            failed.append(error)
            check_failed(failed, len(sampled), settings.max_failed)
        elif future in sampled:
            grade(replace(sampled[future], rollouts=future.result())).add_done_callback(done.put)
        else:
            group: Group = future.result()
            judged += 1
            plugins.tell("report_progress", stage=settings.stage, done=judged, total=len(sampled))
            yield group
    if failed:
        log.warning("%d of %d groups could not be sampled and are left out: %s", len(failed), len(sampled), failed[0])


def check_failed(failed: Sequence[SamplingError], groups: int, most: float) -> None:
    """Raise PluginError if more groups could not be sampled than `max_failed` allows."""
    if len(failed) > most * groups:
        raise PluginError(
            f"{len(failed)} of {groups} groups could not be sampled ([sampling] max_failed = {most}); "
            f"the first: {failed[0]}"
        ) from failed[0]


def sample(
    groups: Sequence[Group], plugins: Plugins, backend: Backend, sampler: Sampler, settings: Settings
) -> list[Future[tuple[Rollout, ...]]]:
    """One turn each: send every group's request before the first is awaited."""
    requests = [request_of(g, g.prompt.tokens, g.prompt.stop, settings.samples, settings) for g in groups]

    def rollouts_of(group: Group, samples: Sequence[Sample]) -> tuple[Rollout, ...]:
        return tuple(make_rollout(s, group.prompt, backend) for s in samples)

    return [then(future, partial(rollouts_of, g)) for g, future in zip(groups, sampler.sample(requests), strict=True)]


def play(
    groups: Sequence[Group], plugins: Plugins, backend: Backend, sampler: Sampler, settings: Settings
) -> list[Future[tuple[Rollout, ...]]]:
    """Several turns: play each episode in a thread of its own, at most EPISODES at a time."""
    played: list[Future[tuple[Rollout, ...]]] = []
    at_once = max(1, EPISODES // settings.samples)
    for start in range(0, len(groups), at_once):
        some = groups[start : start + at_once]
        number = len(some) * settings.samples
        turns = TurnBatcher(sampler, number, together=not backend.concurrent)
        with threads(number, "episode") as pool:
            try:
                jobs = [
                    [submit(pool, episode, plugins, g, i, turns, backend, settings) for i in range(settings.samples)]
                    for g in some
                ]
            except RuntimeError as error:
                failure = PluginError(f"cannot start the {number} threads that a step's episodes need: {error}")
                turns.give_up(failure)
                raise failure from error
        played += [then(all_results(episodes), tuple) for episodes in jobs]
    return played


def episode(
    plugins: Plugins, group: Group, number: int, turns: TurnBatcher, backend: Backend, settings: Settings
) -> Rollout:
    """One rollout, played by the first plugin that takes the problem; in one turn if none does."""
    policy = Policy(group, number, turns, backend, settings)
    try:
        played: Rollout | None = plugins.first(
            "rollout", checked_rollout, problem=group.problem, prompt=group.prompt, policy=policy
        )
        if played is None:
            policy.generate()
            played = policy.rollout()
        return played
    finally:
        turns.leave()
