from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Datum, Group, PluginError, Prompt, Rollout, hookimpl, loop
from justtinker_core.loop import opened
from justtinker_core.options import configure
from justtinker_core.run import Run
from justtinker_core.sampling import datum_of
from justtinker_plugins.algorithms._grpo.settings import loss_complaint
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


# Options by which it becomes one of its relatives

DEFAULTS = {
    "train_on": "positive", "loss": "ppo", "clip_low": 0.8, "clip_high": 1.28, "normalize": "token_sum",
    "updates_per_step": 1, "dynamic_sampling": False, "lag": 0,
}  # fmt: skip


def test_the_defaults_are_justrls_whatever_options_are_added(run_of: RunOf) -> None:
    def run(directory: str, **options: Any) -> list[Any]:
        backend = ScriptedBackend()
        cast = (backend, Ask(), Judge(), Correct(), Mean(), Grpo(problems_per_step=4, **options))
        with opened(run_of(*cast, problems=problems(5), config={"run.steps": 3}, directory=directory)) as run:
            loop.train(run)
        return [backend.updates, backend.requests, [s.metrics for s in run.history.steps]]

    assert run("defaults") == run("spelled_out", **DEFAULTS)


@pytest.mark.parametrize(
    ("options", "config"),
    [
        ({"loss": "cispo"}, {"clip_low_threshold": 0.0, "clip_high_threshold": 4.0}),
        ({"loss": "gspo"}, {"clip_low_threshold": 1 - 3e-4, "clip_high_threshold": 1 + 4e-4}),
        ({"loss": "gspo", "clip_high": 1.1}, {"clip_low_threshold": 1 - 3e-4, "clip_high_threshold": 1.1}),
        ({"loss": "dro", "dro_beta": 0.1}, {"beta": 0.1}),
        ({"clip_low": 0.5, "dual_clip": 3}, {"clip_low_threshold": 0.5, "clip_high_threshold": 1.28, "dual_clip": 3}),
        ({"loss": "importance_sampling"}, {}),
    ],
)
def test_each_loss_is_sent_with_its_settings(
    run_of: RunOf, options: Mapping[str, Any], config: Mapping[str, float]
) -> None:
    backend, _ = trained(run_of, Grpo(problems_per_step=2, **options))
    (update,) = backend.updates
    assert (update.loss, update.config) == (options.get("loss", "ppo"), config)
    assert all(d.mask == tuple(float(a != 0) for a in d.advantages or ()) for d in update.data)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"loss": "cispo", "dual_clip": 3}, "dual_clip: it belongs to loss = 'ppo', got loss = 'cispo'; leave it out"),
        ({"loss": "dro", "clip_low": 0.5}, "clip_low, clip_high: loss = 'dro' has no clip; leave them out"),
        ({"dro_beta": 0.1}, "dro_beta: it belongs to loss = 'dro', got loss = 'ppo'; leave it out"),
        ({"max_rounds": 2}, "max_rounds: it belongs to dynamic_sampling = true; set that, or leave it out"),
        (
            {"loss": "dro", "normalize": "token_mean"},
            "normalize = 'token_mean': loss = 'dro' expects 'token_sum', as its penalty does not scale with the",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], error: str) -> None:
    with pytest.raises(PluginError, match=f"plugins.grpo.*{error}"):
        configure(Grpo, "plugins.grpo", options)


def test_a_config_of_an_older_run_names_ppos_clip_with_every_loss() -> None:
    assert Grpo(loss="importance_sampling", clip_low=0.8, clip_high=1.28).loss == "importance_sampling"


def test_a_loss_that_the_backend_lacks_is_refused_before_the_run(run_of: RunOf) -> None:
    class Old(ScriptedBackend):
        def check_loss(self, loss: str, config: Mapping[str, float]) -> str:
            return "" if loss == "ppo" else f"loss = {loss!r}: it came with version 2: install that"

    wanted = r"^\[plugins.grpo\] loss = 'gspo': it came with version 2: install that$"
    run = run_of(Old(), Ask(), Judge(), Correct(), Mean(), Grpo(loss="gspo"))
    with pytest.raises(PluginError, match=wanted), opened(run):
        pass
    with opened(run_of(Old(), Ask(), Judge(), Correct(), Mean(), Grpo(), directory="b")):
        pass


def test_a_backend_that_cannot_say_what_it_computes_gets_the_oldest_losses_only() -> None:
    silent: Any = object()
    ending = ": the backend has no check_loss, so it is taken to compute ppo and importance_sampling only"
    assert loss_complaint(silent, "cispo", {}) == f"loss = 'cispo'{ending}"
    assert loss_complaint(silent, "ppo", {"dual_clip": 3.0}) == f"dual_clip{ending}"
    assert loss_complaint(silent, "ppo", {}) == loss_complaint(silent, "importance_sampling", {}) == ""


def test_a_clip_of_ppo_for_gspo_is_warned_of(run_of: RunOf, caplog: pytest.LogCaptureFixture) -> None:
    for options in ({"clip_high": 1.28}, {}):
        with opened(run_of(ScriptedBackend(), Ask(), Judge(), Correct(), Mean(), Grpo(loss="gspo", **options))):
            pass
    (warning,) = [r.getMessage() for r in caplog.records if "gspo" in r.getMessage()]
    assert warning.startswith("[plugins.grpo] loss = 'gspo' with clip_high = 1.28 hardly ever clips")


def test_a_plugin_that_measures_the_entropy_itself_is_left_to_it() -> None:
    group = replace(group_of([1, 2]), measures={"entropy": (3.0, 4.0)})
    assert "entropy" not in Grpo().batch([group], 8, {}).metrics


LENGTHS = st.lists(st.integers(1, 7), min_size=1, max_size=6)


def group_of(lengths: Sequence[int]) -> Group:
    """A group whose rollouts have these lengths and the advantages 1, -2, 3, ..."""
    rollouts = tuple(Rollout((5,) * n, (-1.0,) * n, (True,) * n, "") for n in lengths)
    advantages = tuple(float((i + 1) * (-1) ** i) for i in range(len(lengths)))
    return Group(1, 0, problems(1)[0], Prompt(tokens=(1, 2)), rollouts, advantages=advantages)


def summed(data: Sequence[Datum], losses: Sequence[Sequence[float]]) -> float:
    """The sum over tokens of advantage x a token's loss: what a backend computes."""
    return sum(float(np.dot((d.advantages or ())[1:], each)) for d, each in zip(data, losses, strict=True))


@given(LENGTHS, st.integers(8, 20))
def test_normalisations_are_the_papers_means(lengths: list[int], max_tokens: int) -> None:
    group = group_of(lengths)
    rng = np.random.default_rng(len(lengths))
    losses = [rng.normal(size=n) for n in lengths]
    each = [a * loss for a, loss in zip(group.advantages, losses, strict=True)]  # type: ignore[operator]

    def loss(normalize: Any) -> float:
        algorithm = Grpo(problems_per_step=2, rollouts_per_problem=6, train_on="all", normalize=normalize)
        return summed(algorithm.data([group], max_tokens), losses)

    assert loss("token_sum") == pytest.approx(sum(map(np.sum, each)))
    assert loss("token_mean") == pytest.approx(np.mean(np.concatenate(each)))
    assert loss("sequence_mean") == pytest.approx(np.mean([np.mean(tokens) for tokens in each]))
    assert loss("constant") == pytest.approx(sum(map(np.sum, each)) / 12 / max_tokens), "whatever was kept"


def test_rollouts_that_are_not_trained_count_in_the_means() -> None:
    group = replace(group_of([2, 3]), advantages=(1.0, 0.0))
    (datum,) = Grpo(normalize="token_mean").data([group], 8)
    assert datum.advantages == (0.0, 1 / 5, 1 / 5)
    (datum,) = Grpo(normalize="sequence_mean").data([group], 8)
    assert datum.advantages == (0.0, 1 / 4, 1 / 4)


def test_advantages_of_tokens_are_normalised_too() -> None:
    group = replace(group_of([2]), advantages=((1.0, 3.0),))
    (datum,) = Grpo(problems_per_step=1, rollouts_per_problem=2, normalize="constant").data([group], 2)
    assert datum.advantages == (0.0, 1 / 4, 3 / 4)


def test_the_entropy_is_the_mean_of_minus_logprob_over_what_the_policy_wrote(run_of: RunOf) -> None:
    _, run = trained(run_of, Grpo(problems_per_step=4, rollouts_per_problem=4))
    entropy = run.history.steps[0].metrics["entropy"]
    assert entropy == pytest.approx(0.5 + 0.1 * np.tanh(1.0)), "the scripted backend's, at its first weights"
    tools = Rollout((7, 8, 9), (-0.1, -5.0, -0.3), (True, False, True), "")
    group = replace(group_of([1]), rollouts=(tools,), advantages=(1.0,))
    assert Grpo().batch([group], 8, {}).metrics["entropy"] == pytest.approx(0.2)
