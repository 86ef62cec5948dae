"""Dynamic sampling: an option of `grpo`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from justtinker_core import Group, Problem, hookimpl
from justtinker_core.testing import Done, Runner, ScriptedBackend, make_problem
from justtinker_plugins.algorithms.grpo import Grpo


def sampled(
    run_with: Runner, kinds: str, *more: Any, config: Mapping[str, Any] | None = None, **options: Any
) -> tuple[Done, ScriptedBackend]:
    """One step over problems whose groups are all right (r), all wrong (w) or mixed (m); two problems a round."""

    def respond(prompt: str, index: int) -> str:
        return {"r": "1", "w": "0", "m": str(index % 2)}[prompt[0]]

    backend = ScriptedBackend(respond)
    defaults = {"problems_per_step": 2, "rollouts_per_problem": 2, "train_on": "all", "dynamic_sampling": True}
    problems = [Problem(f"{kind}{i}", f"{kind}{i}", "1") for i, kind in enumerate(kinds)]
    algorithm = Grpo(**{**defaults, **options})
    return run_with(backend, algorithm, *more, problems=problems, steps=1, config=config), backend


def numbers(done: Done) -> Mapping[str, float]:
    return done.steps[0].metrics


def test_it_samples_on_until_the_batch_is_full(run_with: Runner) -> None:
    done, backend = sampled(run_with, "rwrwrwrmmm", max_rounds=100)
    metrics = numbers(done)
    assert metrics["groups_wanting"] == 0
    assert metrics["sampling_rounds"] == len(done.groups) / 2 >= 2
    (update,) = backend.updates
    assert len(update.data) == 4  # two groups of two, however many were found
    assert [g.problem.id[0] for g in done.groups if g.kept] == ["m", "m"]


def test_it_asks_no_problem_twice_while_others_are_left(run_with: Runner) -> None:
    done, _ = sampled(run_with, "rwrwrwrw", max_rounds=4)
    assert len({g.problem.id for g in done.groups}) == 8
    again, _ = sampled(run_with, "rwrwrwrw", max_rounds=5)
    assert len(again.groups) == 10, "then it begins anew"


def test_all_groups_are_in_the_metrics_and_have_a_place(run_with: Runner) -> None:
    done, _ = sampled(run_with, "rrrrrrmm", max_rounds=4)
    assert numbers(done)["rollouts"] == 2 * len(done.groups)
    right = sum(v.outcome == "correct" for g in done.groups for v in g.verdicts)
    assert numbers(done)["accuracy"] == right / (2 * len(done.groups))
    assert [g.index for g in done.groups] == list(range(len(done.groups)))


def test_what_is_found_beyond_a_batch_is_not_trained(run_with: Runner) -> None:
    for seed in range(20):  # until one has a constant group in its first round, and so more than enough in the second
        config = {"run.seed": seed}
        done, backend = sampled(run_with, "mmmmmmmr", problems_per_step=3, max_rounds=3, config=config)
        mixed = [g.kept for g in done.groups if g.problem.id[0] == "m"]
        if numbers(done)["sampling_rounds"] == 2:
            break
    assert mixed == [True] * 3 + [False] * 2
    assert len(backend.updates[0].data) == 6


def test_updates_share_the_groups_that_are_trained_evenly(run_with: Runner) -> None:
    options = {"problems_per_step": 4, "updates_per_step": 2, "max_rounds": 10}
    _, backend = sampled(run_with, "rrrrrrrrmmmm", **options)
    assert [len(update.data) for update in backend.updates] == [4, 4]


def test_it_gives_up(run_with: Runner) -> None:
    done, backend = sampled(run_with, "rrww", max_rounds=3)
    metrics = numbers(done)
    assert (metrics["sampling_rounds"], metrics["groups_wanting"], metrics["trained"]) == (3, 2, 0)
    assert backend.updates == []


def test_only_the_outcome_counts_never_the_shaped_score(run_with: Runner) -> None:
    class Shaped:
        @hookimpl
        def score(self, group: Group) -> dict[str, list[float | None]]:
            return {"shape": [float(i) for i, _ in enumerate(group.rollouts)]}

    done, backend = sampled(run_with, "wwrr", Shaped(), max_rounds=2)
    assert any(a for g in done.groups for a in g.advantages), "there is something that the shaped score would teach"
    assert backend.updates == []


def test_dropped_groups_do_not_count(run_with: Runner) -> None:
    class Drop:
        @hookimpl
        def keep_group(self, group: Group) -> bool:
            return False

    done, backend = sampled(run_with, "mm", Drop(), max_rounds=2)
    assert numbers(done)["groups_wanting"] == 2
    assert backend.updates == []


def test_a_group_with_one_graded_outcome_does_not_count(run_with: Runner) -> None:
    class Half:
        @hookimpl
        def verify(self, problem: Problem, rollouts: Any) -> Any:
            from justtinker_core import Verdict

            return [Verdict("correct" if r.text == "1" else "unscored") for r in rollouts]

    done, _ = sampled(run_with, "mm", Half(), max_rounds=1)
    assert numbers(done)["groups_wanting"] == 2


def test_with_nothing_to_skip_it_is_grpo(run_with: Runner) -> None:
    def updates(**more: Any) -> Any:
        backend = ScriptedBackend(lambda prompt, index: str(index % 2))
        algorithm = Grpo(problems_per_step=2, rollouts_per_problem=2, **more)
        run_with(backend, algorithm, problems=[make_problem(str(i), "1") for i in range(4)], steps=2)
        return [update.data for update in backend.updates]

    assert updates(dynamic_sampling=True) == updates()


@pytest.mark.parametrize("lag", [0, 1])
def test_a_resumed_run_asks_the_same(run_with: Runner, lag: int) -> None:
    def run(steps: int, directory: str) -> Done:
        options = {"problems_per_step": 2, "rollouts_per_problem": 3, "dynamic_sampling": True, "max_rounds": 3}
        config = {"checkpoints.every": 2}
        return run_with(Grpo(lag=lag, **options), steps=steps, directory=directory, config=config)

    run(2, "halted")
    whole, resumed = run(4, "whole"), run(4, "halted")
    assert [s.metrics for s in whole.steps] == [s.metrics for s in resumed.steps]
    asked = [g.problem.question for g in whole.groups if g.step > 2]
    assert asked == [g.problem.question for g in resumed.groups]
