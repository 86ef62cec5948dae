from __future__ import annotations

import pytest

from justtinker_core import PluginError, Problem, loop
from justtinker_plugins.algorithms.sft import Sft
from tests.core.conftest import Ask, RunWith, ScriptedBackend, problems

THINKS = "<think>a</think>b"


class Characters(ScriptedBackend):
    """Also has ``<think>`` as one token."""

    def encode(self, text: str) -> list[int]:
        return super().encode(text.replace("<think>", "\ue000"))

    def decode(self, tokens: list[int]) -> str:
        return super().decode(tokens).replace("\ue000", "<think>")


def trained(run_with: RunWith, sft: Sft, some: list[Problem], steps: int = 1) -> ScriptedBackend:
    backend = Characters()
    with run_with(backend, Ask(), sft, problems=some, config={"run.steps": steps}) as run:
        loop.train(run)
    return backend


def test_the_prompt_weighs_nothing_and_the_end_of_the_response_counts(run_with: RunWith) -> None:
    backend = trained(run_with, Sft(batch_size=1), [Problem("p", "1+1", demonstration=THINKS)])
    [(data, loss, config)] = backend.updates
    assert (loss, config) == ("cross_entropy", {})
    [datum] = data
    assert backend.decode(datum.inputs[:1] + datum.targets) == f"1+1={THINKS}$"
    response = len(THINKS) - len("<think>") + 2  # the tag is one token; the stop token belongs to it
    assert datum.weights == (0.0,) * 3 + (1.0,) * response


def test_every_step_draws_a_batch_in_the_order_of_the_run(run_with: RunWith) -> None:
    backend = trained(run_with, Sft(batch_size=2, require_thinking=False), problems(4), steps=4)
    drawn = [datum.inputs for data, _, _ in backend.updates for datum in data]
    assert len(drawn) == 8
    assert len(set(drawn[:4])) == len(set(drawn[4:])) == 4, "each once an epoch"


@pytest.mark.parametrize("bad", ["plain", "<think>never closed", " <think>late</think>b"])
def test_demonstrations_without_thinking_are_left_out(run_with: RunWith, bad: str) -> None:
    some = [Problem("good", "1", demonstration=THINKS), Problem("bad", "2", demonstration=bad)]
    backend = trained(run_with, Sft(batch_size=4), some)
    [(data, _, _)] = backend.updates
    assert {backend.decode(d.inputs[:1]) for d in data} == {"1"}


def test_none_that_is_usable_is_an_error_with_the_reasons(run_with: RunWith) -> None:
    some = [
        Problem("a", "1", "1"),
        Problem("b", "2", demonstration="plain"),
        Problem("c", "3", demonstration="plain"),
        Problem("d", "4", demonstration=f"<think>{'long' * 9}</think>"),
    ]
    with pytest.raises(PluginError) as error:
        trained(run_with, Sft(max_length=30), some)
    assert str(error.value) == (
        "[data.train] has no demonstration that sft can use (no thinking block (plugins.sft.require_thinking): 2; "
        "no demonstration: 1; longer than 30 tokens: 1)"
    )


def test_a_model_for_which_the_tag_is_several_tokens_is_refused(run_with: RunWith) -> None:
    with (
        pytest.raises(PluginError, match="<think> is not one token for this model: 1"),
        run_with(ScriptedBackend(), Ask(), Sft(), problems=[Problem("p", "1", demonstration=THINKS)]) as run,
    ):
        loop.train(run)
