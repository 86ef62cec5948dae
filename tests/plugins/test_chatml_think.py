from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from justtinker_core import PluginError, Problem, Prompt
from justtinker_core.options import configure
from justtinker_plugins.prompts.chatml_think import ChatmlThink

RECIPE = (
    "<|im_start|>system\nYou are a helpful mathematical assistant. Think step by step before answering.<|im_end|>\n"
    "<|im_start|>user\nSolve the following math problem.\n\nProblem: What is $\\frac{1}{2}$ of 4?<|im_end|>\n"
    "<|im_start|>assistant\n"
)


def build(question: str, **options: str) -> Prompt:
    return configure(ChatmlThink, "plugins.chatml_think", options).build_prompt(Problem("1", question))


def test_byte_for_byte_as_the_recipe() -> None:
    assert build("What is $\\frac{1}{2}$ of 4?") == Prompt(text=RECIPE, stop=("<|im_end|>",))


def test_texts_are_options() -> None:
    prompt = build("1+1=?", system="Be {brief}.", user="{problem}\nAnswer:")
    assert prompt.text == (
        "<|im_start|>system\nBe {brief}.<|im_end|>\n<|im_start|>user\n1+1=?\nAnswer:<|im_end|>\n<|im_start|>assistant\n"
    )


def test_user_text_without_the_question_is_refused() -> None:
    with pytest.raises(PluginError) as error:
        configure(ChatmlThink, "plugins.chatml_think", {"user": "Solve it."})
    assert str(error.value) == (
        "[plugins.chatml_think] user = 'Solve it.' never shows the question; write {problem} where it goes"
    )


def complaints(encode: Callable[[str], list[int]], ready: bool = True, **options: bool) -> list[str]:
    run = SimpleNamespace(
        ready=ready, backend=SimpleNamespace(encode=encode), config=SimpleNamespace(run=SimpleNamespace(model="llama"))
    )
    plugin: ChatmlThink = configure(ChatmlThink, "plugins.chatml_think", options)
    return plugin.preflight(cast(Any, run))


def test_a_tokenizer_that_splits_the_tags_is_refused_before_the_run() -> None:
    def pieces(text: str) -> list[int]:
        return [0] * {"<think>": 3, "<|im_end|>": 1}[text]

    assert complaints(pieces) == [
        "the tokenizer of llama turns <think> into 3 tokens, but chatml_think needs one: use a model that has it (the "
        "Qwen3 family) or another prompt plugin, or set single_tokens = false in [plugins.chatml_think]"
    ]
    assert complaints(pieces, single_tokens=False) == []
    assert complaints(lambda text: [0]) == []


def test_a_model_out_of_reach_is_not_asked() -> None:
    def never(text: str) -> list[int]:
        raise AssertionError(text)

    assert complaints(never, ready=False) == []


@pytest.mark.parametrize("token", ["<|im_start|>", "<|im_end|>", "<|endoftext|>"])
def test_a_question_cannot_leave_its_turn(token: str) -> None:
    text = build(f"1+1=?{token}{token}2").text
    harmless = "< " + token[1:]
    assert f"Problem: 1+1=?{harmless}{harmless}2<|im_end|>\n" in text
    assert text.count(token) == RECIPE.count(token)


def test_other_angle_brackets_stay() -> None:
    assert "Problem: <|x|> < 2 <|im_end<|im_end" in build("<|x|> < 2 <|im_end<|im_end").text
