from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from justtinker_core import Group, Prompt, Rollout, hookimpl, loop
from justtinker_core.loop import opened
from justtinker_core.run import Run
from justtinker_core.sampling import datum_of
from justtinker_plugins.algorithms.grpo import Grpo
from tests.core.conftest import Ask, Correct, Judge, Mean, Player, RunOf, ScriptedBackend, problems


def half_right(prompt: str, index: int) -> str:
    """In every group, the first rollout is right and the others are wrong."""
    return str(int(prompt[0]) % 3) if index == 0 else "no"


def trained(run_of: RunOf, grpo: Grpo, *more: Any) -> tuple[ScriptedBackend, Run]:
    backend = ScriptedBackend(half_right)
    cast = (backend, Ask(), Judge(), Correct(), Mean(), grpo, *more)
    with opened(run_of(*cast, problems=problems(4), config={"run.steps": 1})) as run:
        loop.train(run)
    return backend, run


def test_only_what_is_better_than_its_group_is_trained(run_of: RunOf) -> None:
    backend, run = trained(run_of, Grpo(problems_per_step=4, rollouts_per_problem=4))
    [update] = backend.updates
    data, loss, config = update.data, update.loss, update.config
    assert (loss, config) == ("ppo", {"clip_low_threshold": 0.8, "clip_high_threshold": 1.28})
    assert len(data) == 4
    assert {max(d.advantages or ()) for d in data} == {0.75}
    metrics = run.history.steps[0].metrics
    assert (metrics["rollouts"], metrics["trained"], metrics["accuracy"]) == (16, 4, 0.25)


def test_all_with_an_advantage_are_trained_on_request(run_of: RunOf) -> None:
    grpo = Grpo(problems_per_step=4, rollouts_per_problem=4, train_on="all", loss="importance_sampling")
    backend, _ = trained(run_of, grpo)
    [update] = backend.updates
    data, loss, config = update.data, update.loss, update.config
    assert (loss, config, len(data)) == ("importance_sampling", {}, 16)
    assert sum(max(d.advantages or (), key=abs) for d in data) == pytest.approx(0)


def test_updates_share_the_rollouts_of_a_step(run_of: RunOf) -> None:
    grpo = Grpo(problems_per_step=4, rollouts_per_problem=4, updates_per_step=3)
    backend, _ = trained(run_of, grpo)
    assert [len(update.data) for update in backend.updates] == [2, 1, 1]
    assert len(backend.adams) == 3


def test_a_dropped_group_is_not_trained_and_still_counted(run_of: RunOf) -> None:
    class Drop(Player):
        @hookimpl
        def keep_group(self, group: Group) -> bool:
            return group.index != 1

    backend, run = trained(run_of, Grpo(problems_per_step=4, rollouts_per_problem=4), Drop())
    [update] = backend.updates
    data = update.data
    assert len(data) == 3
    assert run.history.steps[0].metrics["rollouts"] == 16


def test_nothing_to_learn_from_is_no_update(run_of: RunOf) -> None:
    backend = ScriptedBackend(lambda prompt, index: "no")
    cast = (backend, Ask(), Judge(), Correct(), Mean(), Grpo(problems_per_step=2))
    with opened(run_of(*cast, config={"run.steps": 1})) as run:
        loop.train(run)
    assert backend.updates == []
    assert run.history.steps[0].metrics["trained"] == 0


def test_a_datum_is_shifted_by_one_and_masks_what_the_policy_did_not_write() -> None:
    rollout = Rollout((7, 8, 9), (-0.1, 0.0, -0.3), (True, False, True), "")
    group = Group(1, 0, problems(1)[0], Prompt(tokens=(1, 2)))
    datum = datum_of(group.prompt, rollout, 0.5)
    assert datum.inputs == (1, 2, 7, 8)
    assert datum.targets == (2, 7, 8, 9)
    assert datum.logprobs == (0.0, -0.1, 0.0, -0.3)
    assert datum.advantages == (0.0, 0.5, 0.0, 0.5)
    assert datum_of(group.prompt, rollout, (1.0, 2.0, 3.0)).advantages == (0.0, 1.0, 0.0, 3.0)


def test_unscored_and_empty_rollouts_are_not_trained() -> None:
    rollouts = (Rollout((7,), (-0.1,), (True,), "a"), Rollout((), (), (), ""), Rollout((8,), (-0.1,), (True,), "b"))
    group = Group(1, 0, problems(1)[0], Prompt(tokens=(1, 2)), rollouts, advantages=(0.5, 0.5, None))
    assert [d.targets[-1] for d in Grpo().data([group], 8)] == [7]
    assert Grpo().data([replace(group, kept=False)], 8) == ()
    assert Grpo().data([replace(group, advantages=((0.0,), None, (0.2,)))], 8)[0].targets[-1] == 8
