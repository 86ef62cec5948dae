"""The estimate that `check` shows: tokens counted by hand, dollars from the config's own prices."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from justtinker_core import Group, hookimpl
from justtinker_core.loop import opened
from justtinker_core.run import Run
from justtinker_plugins.algorithms.grpo import Grpo
from justtinker_plugins.algorithms.sft import Sft
from justtinker_plugins.commands._preflight.estimate import abbreviate, describe_cost, expected_tokens
from tests.core.conftest import RunOf, ScriptedBackend, cast, problems

CONFIG: dict[str, Any] = {
    "run.steps": 10, "sampling.max_tokens": 100, "evaluation.every": 5, "data.eval.held.samples": 3,
}  # fmt: skip


def opened_run(run_of: RunOf, algorithm: Any, backend: ScriptedBackend | None = None) -> AbstractContextManager[Run]:
    _, *others = cast()
    players = [backend or ScriptedBackend(), *others[:-1], algorithm]
    sets = {"train": problems(5), "held": problems(4)}
    return opened(run_of(*players, problems=sets, config=CONFIG))


def test_the_tokens_of_grpo(run_of: RunOf) -> None:
    with opened_run(run_of, Grpo(problems_per_step=2, rollouts_per_problem=8)) as run:
        parts = expected_tokens(run, 0.5)
    # prompts have 4 tokens, responses 50; half of 16 rollouts are trained; 4 problems x 3 samples, evaluated 3 times
    step = {"prefill": 8, "cached_prefill": 56, "sampled": 800, "trained": 8 * 54}
    evaluation = {"prefill": 16, "cached_prefill": 32, "sampled": 600}
    assert parts["a step"] == step
    assert parts["10 steps"] == {kind: 10 * count for kind, count in step.items()}
    assert parts["an evaluation"] == evaluation
    assert parts["3 evaluations"] == {kind: 3 * count for kind, count in evaluation.items()}
    assert parts["in all"] == {"prefill": 128, "cached_prefill": 656, "sampled": 9800, "trained": 4320}


def test_a_plugin_that_reads_the_reference_has_every_rollout_read_once_more(run_of: RunOf) -> None:
    class Reads:
        reads = ("reference",)

        @hookimpl
        def score(self, group: Group) -> dict[str, list[float | None]]:
            return {"reads": [None for _ in group.rollouts]}

    class Knows(ScriptedBackend):
        def reference_logprobs(self, sequences: Any, path: str | None) -> Any:
            raise NotImplementedError

    _, *others = cast()
    players = [Knows(), *others[:-1], Grpo(problems_per_step=2, rollouts_per_problem=8), Reads()]
    with opened(run_of(*players, problems=problems(5), config={"run.steps": 10, "sampling.max_tokens": 100})) as run:
        assert expected_tokens(run, 0.5)["a step"]["prefill"] == 8 + 16 * (4 + 50)


def test_a_resumed_run_counts_only_what_is_left(run_of: RunOf) -> None:
    with opened_run(run_of, Grpo(problems_per_step=2, rollouts_per_problem=8)) as run:
        parts = expected_tokens(run, 0.5, done=5)
    assert parts["5 steps left"]["sampled"] == 5 * 800
    assert parts["in all"]["sampled"] == 5 * 800 + 600, "of three evaluations the start's and that of step 5 are made"


def test_sft_samples_only_in_evaluations(run_of: RunOf) -> None:
    with opened_run(run_of, Sft(batch_size=4, require_thinking=False)) as run:
        parts = expected_tokens(run, 1.0)
    assert parts["a step"] == {"trained": 4 * 5}, "4 of the prompt, an answer and the end, less one"
    assert parts["in all"]["sampled"] == 3 * 12 * 100


def test_the_table_has_ranges_and_dollars(run_of: RunOf) -> None:
    backend = ScriptedBackend()
    backend.price = 0.001
    with opened_run(run_of, Grpo(problems_per_step=2), backend) as run:
        text = printed(run)
    assert "in all" in text
    assert "9.8k to 19.6k" in text
    low, high = (sum(p.values()) * 0.001 for p in ({"s": 128 + 656 + 9800 + 4320}, {"s": 128 + 656 + 19600 + 8320}))
    assert f"{low:.2f} to {high:.2f}" in text


@pytest.mark.parametrize(
    ("budget", "spent", "steps"), [(5.0, 0.0, "about 3 of"), (5.0, 2.5, "about 1 of"), (14.8, 0.0, ""), (None, 9.0, "")]
)
def test_a_budget_that_ends_the_run_early_is_a_warning(
    run_of: RunOf, budget: float | None, spent: float, steps: str
) -> None:
    """By the lower figures, a step costs 1.296 and an evaluation 0.648, at steps 0, 5 and 10: 14.9 in all."""
    backend = ScriptedBackend()
    backend.price = 0.001
    with opened_run(run_of, Grpo(problems_per_step=2), backend) as run:
        run.config = replace(run.config, run=replace(run.config.run, budget_usd=budget))
        text = printed(run, spent=spent)
    assert ("ends the run" in text) == bool(steps)
    assert steps in text


def test_without_prices_there_are_no_dollars(run_of: RunOf) -> None:
    with opened_run(run_of, Grpo(problems_per_step=2)) as run:
        assert "USD" not in printed(run)


def test_an_algorithm_without_expect_tokens_has_no_estimate(run_of: RunOf) -> None:
    class Silent:
        @hookimpl
        def collect_batch(self) -> None:
            return None

    with opened_run(run_of, Silent()) as run:
        assert printed(run) == ""


def printed(run: Run, **known: float) -> str:
    file = io.StringIO()
    describe_cost(Console(file=file, width=160), run, **known)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize(
    ("count", "text"), [(0, "-"), (950, "950"), (12_345, "12.3k"), (4_560_000, "4.56M"), (2e9, "2G")]
)
def test_abbreviate(count: float, text: str) -> None:
    assert abbreviate(count) == text
