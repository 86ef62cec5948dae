from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from justtinker_core import Group, Problem, hookimpl
from justtinker_core.testing import Done, Runner, ScriptedBackend, make_problem
from justtinker_plugins.algorithms.grpo import Grpo
from tests.cookbook.conftest import recipe

DapoSampling = recipe("dapo_sampling:DapoSampling")


def sampled(
    run_with: Runner, kinds: str, *more: Any, config: Mapping[str, Any] | None = None, **options: Any
) -> tuple[Done, ScriptedBackend]:
    """One step over problems whose groups are all right (r), all wrong (w) or mixed (m); two problems a round."""

    def respond(prompt: str, index: int) -> str:
        return {"r": "1", "w": "0", "m": str(index % 2)}[prompt[0]]

    backend = ScriptedBackend(respond)
    plugin = DapoSampling(**{"problems_per_step": 2, "rollouts_per_problem": 2, "train_on": "all", **options})
    problems = [Problem(f"{kind}{i}", f"{kind}{i}", "1") for i, kind in enumerate(kinds)]
    return run_with(backend, plugin, *more, problems=problems, steps=1, config=config), backend


def numbers(done: Done) -> Mapping[str, float]:
    return done.steps[0].metrics


def test_it_samples_on_until_the_batch_is_full(run_with: Runner) -> None:
    done, backend = sampled(run_with, "rwrwrwrmmm", max_rounds=100)
    metrics = numbers(done)
    assert metrics["groups_wanting"] == 0
    assert metrics["sampling_rounds"] == len(done.groups) / 2 >= 2
    (update,) = backend.updates
    assert len(update.data) == 4  # two groups of two, however many were found
    trained = [g for g in done.groups if g.kept and g.problem.id[0] == "m"]
    assert len(trained) == 2


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


def test_it_gives_up(run_with: Runner) -> None:
    done, backend = sampled(run_with, "rrww", max_rounds=3)
    metrics = numbers(done)
    assert (metrics["sampling_rounds"], metrics["groups_wanting"], metrics["trained"]) == (3, 2, 0)
    assert backend.updates == []


def test_dropped_groups_do_not_count(run_with: Runner) -> None:
    class Drop:
        @hookimpl
        def keep_group(self, group: Group) -> bool:
            return False

    done, backend = sampled(run_with, "mm", Drop(), max_rounds=2)
    assert numbers(done)["groups_wanting"] == 2
    assert backend.updates == []


def test_with_nothing_to_skip_it_is_grpo(run_with: Runner) -> None:
    def updates(plugin: Any) -> Any:
        backend = ScriptedBackend(lambda prompt, index: str(index % 2))
        run_with(backend, plugin, problems=[make_problem(str(i), "1") for i in range(4)], steps=2)
        return [update.data for update in backend.updates]

    options = {"problems_per_step": 2, "rollouts_per_problem": 2}
    assert updates(DapoSampling(**options, max_rounds=1)) == updates(Grpo(**options))


def test_a_resumed_run_asks_the_same(run_with: Runner) -> None:
    def run(steps: int, directory: str) -> Done:
        plugin = DapoSampling(problems_per_step=2, rollouts_per_problem=3, max_rounds=3)
        return run_with(plugin, steps=steps, directory=directory)

    run(2, "halted")
    whole, resumed = run(4, "whole"), run(4, "halted")
    assert [s.metrics for s in whole.steps] == [s.metrics for s in resumed.steps]
    asked = [g.problem.question for g in whole.groups if g.step > 2]
    assert asked == [g.problem.question for g in resumed.groups]
