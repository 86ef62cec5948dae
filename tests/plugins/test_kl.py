from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Rollout, SamplingError
from justtinker_core.testing import Runner, ScriptedBackend, check_reward, make_group, make_problem
from justtinker_plugins.algorithms.grpo import Grpo
from justtinker_plugins.rewards.kl import Kl, penalty

LOGPROBS = st.lists(st.tuples(st.floats(-20, 0), st.floats(-20, 0), st.booleans()), min_size=1, max_size=20)


class WithReference(ScriptedBackend):
    """A scripted backend whose first weights think that each token has log-probability -1."""

    def __init__(self, value: float = -1.0) -> None:
        super().__init__(lambda prompt, index: str(index % 2))
        self.asked: list[tuple[tuple[int, ...], str | None]] = []
        self.value = value

    def reference_logprobs(
        self, sequences: Sequence[tuple[int, ...]], path: str | None
    ) -> list[Future[tuple[float, ...]]]:
        futures: list[Future[tuple[float, ...]]] = []
        for sequence in sequences:
            self.asked.append((sequence, path))
            futures.append(Future())
            futures[-1].set_result((self.value,) * (len(sequence) - 1))
        return futures


def rollout(rows: list[tuple[float, float, bool]]) -> Rollout:
    logprobs, reference, mask = zip(*rows, strict=True)
    return Rollout((1,) * len(rows), logprobs, mask, "", reference=reference)


@given(LOGPROBS)
def test_it_is_minus_the_mean_log_ratio_clipped(rows: list[tuple[float, float, bool]]) -> None:
    wrote = [(lp, ref) for lp, ref, mask in rows if mask]
    value = penalty(rollout(rows))
    if not wrote:
        assert value is None
        return
    assert value == pytest.approx(-min(max(np.mean([lp - ref for lp, ref in wrote]), 0.0), 1.0), abs=1e-9)
    assert -1 <= value <= 0


@given(st.lists(st.floats(-20, 0), min_size=1, max_size=9))
def test_the_reference_itself_pays_nothing(logprobs: list[float]) -> None:
    assert penalty(rollout([(lp, lp, True) for lp in logprobs])) == 0


def test_on_average_it_is_the_divergence() -> None:
    policy, reference = np.array([0.7, 0.2, 0.1]), np.array([0.5, 0.25, 0.25])
    tokens = np.random.default_rng(0).choice(3, 100_000, p=policy)
    rows = [(np.log(policy[t]), np.log(reference[t]), True) for t in tokens]
    assert penalty(rollout(rows)) == pytest.approx(-np.sum(policy * np.log(policy / reference)), rel=0.02)


@pytest.mark.parametrize(("away", "share"), [(0.05, 0.5), (1.0, 0.8)])
def test_its_gradient_is_the_divergences(away: float, share: float) -> None:
    """Of a policy with one softmax for each of 20 tokens: E[reward x grad log p], against the closed form."""
    rng = np.random.default_rng(1)
    start = rng.normal(size=6)
    policy, reference = (np.exp(x) / np.exp(x).sum() for x in (start + away * rng.normal(size=6), start))
    log_ratio = np.log(policy / reference)
    wanted = -policy * (log_ratio - policy @ log_ratio)
    tokens = rng.choice(6, (20_000, 20), p=policy)
    rows = zip(np.log(policy)[tokens], np.log(reference)[tokens], strict=True)
    raw = np.array([penalty(Rollout((1,) * 20, tuple(lp), (True,) * 20, "", reference=tuple(ref))) for lp, ref in rows])
    scores = np.stack([(tokens == v).sum(1) for v in range(6)], 1) - 20 * policy
    found = ((raw - raw.mean())[:, None] * scores).mean(0)
    assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) > 0.95, "the same direction"
    assert np.linalg.norm(found) / np.linalg.norm(wanted) == pytest.approx(share, abs=0.15)


def test_without_a_reference_it_does_not_apply() -> None:
    assert Kl().score(make_group(["a", "b"], ["correct", "incorrect"])) == {"kl": [None, None]}
    check_reward(Kl())


def test_the_run_asks_for_the_reference_of_each_rollout_and_counts_its_tokens(run_with: Runner) -> None:
    backend = WithReference()
    problems = [make_problem(digit, "1") for digit in "12"]
    algorithm = Grpo(problems_per_step=2, rollouts_per_problem=2)
    done = run_with(backend, algorithm, Kl, problems=problems, steps=1, config={"plugins.kl.weight": 0.5})
    assert sorted(backend.asked) == sorted(
        ((*g.prompt.tokens, *r.tokens), None) for g in done.groups for r in g.rollouts
    )
    logprob = done.groups[0].rollouts[0].logprobs[0]
    kl = logprob + 1
    for group in done.groups:
        assert [len(r.reference) for r in group.rollouts] == [len(r.tokens) for r in group.rollouts]
        assert [r.terms["kl"] for r in group.rewards] == pytest.approx([-kl] * 2)
        assert [r.weighted["kl"] for r in group.rewards] == pytest.approx([-0.5 * kl] * 2)
    prompts = sum(len(g.prompt.tokens) for g in done.groups)
    assert done.steps[0].tokens["prefill"] == prompts + sum(len(tokens) for tokens, _ in backend.asked)


def test_without_a_plugin_that_reads_it_nobody_is_asked(run_with: Runner) -> None:
    backend = WithReference()
    done = run_with(backend, problems=[make_problem("1", "1")], steps=1)
    assert backend.asked == []
    assert all(r.reference == () for g in done.groups for r in g.rollouts)


def test_an_evaluation_has_no_reference(run_with: Runner) -> None:
    backend = WithReference()
    sets = {"train": [make_problem("1", "1")], "held": [make_problem("2", "1")]}
    run_with(backend, Kl(), problems=sets, steps=1)
    assert {chr(tokens[0]) for tokens, _ in backend.asked} == {"1"}


def test_a_backend_without_a_reference_is_refused_before_the_run(run_with: Runner) -> None:
    wanted = (
        r"plugin 'kl' needs log-probabilities of the weights that the run begins with, which the backend "
        r"'scripted_backend' cannot compute \(it has no reference_logprobs\)"
    )
    with pytest.raises(PluginError, match=wanted):
        run_with(ScriptedBackend(), Kl(), steps=1)


def test_a_group_whose_reference_fails_is_left_out_like_one_that_could_not_be_sampled(run_with: Runner) -> None:
    class Fails(WithReference):
        def reference_logprobs(self, sequences: Any, path: str | None) -> Any:
            futures = super().reference_logprobs(sequences, path)
            if sequences[0][0] == ord("1"):
                futures[-1] = Future()
                futures[-1].set_exception(SamplingError("lost"))
            return futures

    problems = [make_problem(digit, "1") for digit in "12"]
    config = {"sampling.max_failed": 0.5}
    done = run_with(Fails(), Grpo(problems_per_step=2), Kl(), problems=problems, steps=1, config=config)
    assert [g.problem.question[0] for g in done.groups] == ["2"]
    assert done.steps[0].metrics["failed_groups"] == 1


def test_empty_rollouts_are_not_asked_about(run_with: Runner) -> None:
    group = make_group(["", "ab"], ["incorrect", "correct"])
    full = replace(group.rollouts[1], reference=group.rollouts[1].logprobs)
    empty = replace(group.rollouts[0], tokens=(), logprobs=(), mask=())
    assert Kl().score(replace(group, rollouts=(empty, full))) == {"kl": [None, 0.0]}


def test_a_term_that_weighs_nothing_costs_nothing(run_with: Runner) -> None:
    backend = WithReference()
    run_with(backend, Kl, problems=[make_problem("1", "1")], steps=1, config={"plugins.kl.weight": 0.0})
    assert backend.asked == []


def test_a_resumed_run_has_the_same_reference_whatever_its_first_run_does_meanwhile(run_with: Runner) -> None:
    problems = [make_problem("1", "1")]
    first = run_with(WithReference(), problems=problems, steps=2, directory="first")

    def asked(steps: int) -> set[str | None]:
        backend = WithReference()
        config = {"run.start_from": str(first.run.dir)}
        run_with(backend, Kl(), problems=problems, steps=steps, directory="second", config=config)
        return {path for _, path in backend.asked}

    (path,) = asked(1)
    assert path is not None
    assert path.endswith("step_000002.json")
    run_with(WithReference(), problems=problems, steps=4, directory="first")
    assert asked(3) == {path}


def test_on_request_it_applies_to_correct_answers_only() -> None:
    group = make_group(["a", "b"], ["correct", "incorrect"])
    known = tuple(replace(r, reference=tuple(lp - 0.5 for lp in r.logprobs)) for r in group.rollouts)
    group = replace(group, rollouts=known)
    assert Kl().score(group)["kl"] == pytest.approx([-0.5, -0.5])
    assert Kl(only_correct=True).score(group)["kl"] == [pytest.approx(-0.5), None]


@pytest.mark.parametrize(("train_on", "options", "said"), [
    ("positive", {}, True), ("positive", {"only_correct": True}, False), ("all", {}, False),
])  # fmt: skip
def test_wrong_answers_that_it_would_train_are_warned_of(
    run_with: Runner, caplog: pytest.LogCaptureFixture, train_on: str, options: dict[str, Any], said: bool
) -> None:
    config = {"plugins.grpo.train_on": train_on, **{f"plugins.kl.{k}": v for k, v in options.items()}}
    run_with(WithReference(), Grpo, Kl, problems=[make_problem("1", "1")], steps=1, config=config)
    assert any("[plugins.kl] with train_on = 'positive'" in r.getMessage() for r in caplog.records) is said
