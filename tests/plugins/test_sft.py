from __future__ import annotations

import re

import pytest

from justtinker_core import PluginError, Problem, hookimpl, loop
from justtinker_core.loop import opened
from justtinker_plugins.algorithms.sft import Sft
from tests.core.conftest import Ask, RunOf, ScriptedBackend, problems

THINKS = "<think>a</think>b"


class Characters(ScriptedBackend):
    """Also has ``<think>`` as one token."""

    def encode(self, text: str) -> list[int]:
        return super().encode(text.replace("<think>", "\ue000"))

    def decode(self, tokens: list[int]) -> str:
        return super().decode(tokens).replace("\ue000", "<think>")


def trained(run_of: RunOf, sft: Sft, some: list[Problem], steps: int = 1) -> ScriptedBackend:
    backend = Characters()
    with opened(run_of(backend, Ask(), sft, problems=some, config={"run.steps": steps})) as run:
        loop.train(run)
    return backend


def test_the_prompt_weighs_nothing_and_the_end_of_the_response_counts(run_of: RunOf) -> None:
    backend = trained(run_of, Sft(batch_size=1), [Problem("p", "1+1", demonstration=THINKS)])
    [update] = backend.updates
    data, loss, config = update.data, update.loss, update.config
    assert (loss, config) == ("cross_entropy", {})
    [datum] = data
    assert backend.decode(datum.inputs[:1] + datum.targets) == f"1+1={THINKS}$"
    response = len(THINKS) - len("<think>") + 2  # the tag is one token; the stop token belongs to it
    assert datum.weights == (0.0,) * 3 + (1.0,) * response


def test_every_step_draws_a_batch_in_the_order_of_the_run(run_of: RunOf) -> None:
    backend = trained(run_of, Sft(batch_size=2, require_thinking=False), problems(4), steps=4)
    drawn = [datum.inputs for update in backend.updates for datum in update.data]
    assert len(drawn) == 8
    assert len(set(drawn[:4])) == len(set(drawn[4:])) == 4, "each once an epoch"


@pytest.mark.parametrize("bad", ["plain", "<think>never closed", " <think>late</think>b"])
def test_demonstrations_without_thinking_are_left_out(run_of: RunOf, bad: str) -> None:
    some = [Problem("good", "1", demonstration=THINKS), Problem("bad", "2", demonstration=bad)]
    backend = trained(run_of, Sft(batch_size=4), some)
    [update] = backend.updates
    data = update.data
    assert {backend.decode(d.inputs[:1]) for d in data} == {"1"}


def test_no_usable_demonstration_is_an_error_with_reasons(run_of: RunOf) -> None:
    some = [
        Problem("a", "1", "1"),
        Problem("b", "2", demonstration="plain"),
        Problem("c", "3", demonstration="plain"),
        Problem("d", "4", demonstration=f"<think>{'long' * 9}</think>"),
    ]
    backend = Characters()
    with pytest.raises(PluginError) as error, opened(run_of(backend, Ask(), Sft(max_length=30), problems=some)):
        pytest.fail("preflight must find this before the run begins")
    assert str(error.value) == (
        "[data.train] sft can use none of the 4 demonstrations that it tried (no thinking block "
        "(plugins.sft.require_thinking): 2; no demonstration: 1; longer than 30 tokens: 1)"
    )


@pytest.mark.parametrize("backend", [ScriptedBackend(), Characters()])
def test_a_tag_of_several_tokens_is_trained_and_noted(
    run_of: RunOf, backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(run_of(backend, Ask(), Sft(batch_size=1), problems=[Problem("p", "1", demonstration=THINKS)])) as run:
        loop.train(run)
    [datum] = backend.updates[0].data
    assert backend.decode(datum.targets) == f"={THINKS}$"
    notes = [record.getMessage() for record in caplog.records]
    expected = ["<think> is 7 tokens for scripted: it learns the tag piece by piece"]
    assert notes == ([] if isinstance(backend, Characters) else expected)


class Opens(Ask):
    """Asks with a prompt that ends in `end`."""

    def __init__(self, end: str) -> None:
        super().__init__()
        self.end = end

    @hookimpl
    def build_prompt(self, problem: Problem) -> str:
        return f"{super().build_prompt(problem)}{self.end}"


@pytest.mark.parametrize(
    ("end", "demonstration", "trained_on"),
    [
        ("<think>\n", "<think>\nab</think>c", "ab</think>c$"),
        ("<think>\n", "<think>ab</think>c", "ab</think>c$"),
        ("<think>\n", "<think>\n\nab</think>c", "\nab</think>c$"),
        ("<think>", "<think>\nab</think>c", "\nab</think>c$"),
        ("<think>\n\n</think>\n\n", "c", "c$"),
        ("</think>", "c", "c$"),
    ],
)
def test_a_demonstration_is_trained_without_what_the_prompt_holds(
    run_of: RunOf, end: str, demonstration: str, trained_on: str
) -> None:
    backend = Characters()
    sft = Sft(batch_size=1, require_thinking="</think>" not in end)
    problem = Problem("p", "1", demonstration=demonstration)
    with opened(run_of(backend, Opens(end), sft, problems=[problem])) as run:
        loop.train(run)
    [datum] = backend.updates[0].data
    assert datum.weights is not None
    assert backend.decode(datum.inputs[:1] + datum.targets) == f"1={end}{trained_on}"
    learned = [target for target, weight in zip(datum.targets, datum.weights, strict=True) if weight]
    assert backend.decode(learned) == trained_on


@pytest.mark.parametrize(
    ("end", "demonstration", "reason"),
    [
        ("<think>\n", "c", "no thinking block, but the prompt opens one"),
        ("<think>\n\n</think>\n\n", THINKS, "a thinking block, but the prompt turns thinking off"),
    ],
)
def test_a_demonstration_that_does_not_fit_the_prompt_is_left_out(
    run_of: RunOf, end: str, demonstration: str, reason: str
) -> None:
    run = run_of(
        Characters(), Opens(end), Sft(require_thinking=False), problems=[Problem("p", "1", None, "math", demonstration)]
    )
    with pytest.raises(PluginError, match=re.escape(f"({reason}: 1)")), opened(run):
        pytest.fail("preflight must find this before the run begins")


def test_demonstrations_left_out_are_counted_and_logged(run_of: RunOf, caplog: pytest.LogCaptureFixture) -> None:
    some = [Problem("good", "1", demonstration=THINKS)] + [Problem(f"{i}", "2", demonstration="plain") for i in (1, 2)]
    trained(run_of, Sft(batch_size=1), some, steps=2)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "sft uses 1 of 3 demonstrations; left out: no thinking block (plugins.sft.require_thinking): 2"
    ], "once, not at every step"


def test_a_few_from_all_over_the_set_are_tried_before_the_run(run_of: RunOf) -> None:
    some = [Problem(f"{i}", "2", demonstration="plain") for i in range(200)]
    with pytest.raises(PluginError, match="sft can use none of the 50 demonstrations that it tried"):
        trained(run_of, Sft(), some)
    some[1] = Problem("good", "1", demonstration=THINKS)  # 0, 4, 8 and so on are tried; such a set is not worth a run
    with pytest.raises(PluginError, match="sft can use none of the 50 demonstrations that it tried"):
        trained(run_of, Sft(), some)
    some[4] = Problem("better", "1", demonstration=THINKS)
    [update] = trained(run_of, Sft(batch_size=2), some).updates
    data = update.data
    assert len(data) == 2


def test_a_tag_that_the_prompt_holds_is_not_learned(run_of: RunOf, caplog: pytest.LogCaptureFixture) -> None:
    problem = Problem("p", "1", demonstration=THINKS)
    with opened(run_of(ScriptedBackend(), Opens("<think>\n"), Sft(batch_size=1), problems=[problem])) as run:
        loop.train(run)
    assert not caplog.records, "how many tokens it is does not matter"
